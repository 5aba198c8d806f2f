import { expect, test } from 'vitest';
import type { EventType } from './event.ts';
import { type Caught, narrate, type Scene } from './narrate.ts';

const now = new Date('2040-03-01T12:00:00.000Z');
const earlier = new Date('2040-03-01T11:59:59.000Z');
const UP = { service_id: 1, state: 'up' };
const scene: Scene = {
  services: new Map([[1, UP]]),
  alerts: new Map([
    [7, { alert_id: 7, kind: 'service', service_id: 1 }],
    [9, { alert_id: 9, kind: 'stale_job', service_id: 1 }],
  ]),
  deliveries: new Map([['d', { delivery_id: 'd', status: 'success' }]]),
  told: new Map([[1, 'new']]),
  now,
};

let transactions = 0;
const caught = (type: EventType, object_id: number, more: Partial<Caught> = {}): Caught => {
  transactions += 1;
  return {
    transaction_id: String(transactions),
    type,
    object_id,
    occurred_at: null,
    remains: null,
    delivery_id: null,
    ...more,
  };
};
const namesOf = (changes: Caught[], its = scene) => narrate(changes, its).events.map(({ type }) => type);

test('a state is told once, when it differs from the one that was told last', () => {
  const state = caught('service.state', 1);
  expect(namesOf([state, { ...state, transaction_id: 'x' }])).toEqual(['service.state']);
  expect(namesOf([state], { ...scene, told: new Map([[1, 'up']]) })).toEqual([]);
  expect(namesOf([state], { ...scene, told: new Map() })).toEqual(['service.state']);
});

test('a change of the configuration that changes the state tells both', () => {
  expect(namesOf([caught('service.updated', 1)])).toEqual(['service.updated', 'service.state']);
});

test('a new service has the state that its creation tells', () => {
  const told = narrate([caught('service.created', 1), caught('service.state', 1)], {
    ...scene,
    told: new Map(),
  });
  expect(told.events.map(({ type }) => type)).toEqual(['service.created']);
  expect(told.states).toEqual(new Map([[1, 'up']]));
});

test('what one transaction did to an object is told once, each transaction by itself', () => {
  const of = (transaction_id: string, occurred_at: Date | null = null) =>
    caught('alert.updated', 7, { transaction_id, occurred_at });
  const { events } = narrate([of('a', earlier), of('a'), of('b'), of('b')], scene);
  expect(events.map(({ occurred_at }) => occurred_at)).toEqual([earlier, now]);
});

test('of deliveries those are told that are still there', () => {
  const of = (delivery_id: string, id: number) => caught('delivery.updated', id, { delivery_id });
  const { events, states } = narrate([of('d', 5), of('gone', 6)], scene);
  expect(events.map(({ data }) => data)).toEqual([{ delivery_id: 'd', status: 'success' }]);
  expect(states.size).toBe(0);
});

test('of a service that is gone its names are told, and its state no more', () => {
  const remains = { service_id: 2, heartbeat_name: 'gone' };
  const changes = [
    caught('service.created', 2),
    caught('service.state', 2),
    caught('service.deleted', 2, { remains }),
  ];
  const { events, states } = narrate(changes, scene);
  expect(events.map(({ type, data }) => [type, data])).toEqual([
    ['service.created', remains],
    ['service.deleted', remains],
  ]);
  expect(states).toEqual(new Map([[2, null]]));
});

test('an alert that opens or closes tells the state of its service, one of a run does not', () => {
  expect(namesOf([caught('alert.opened', 7), caught('service.state', 1)])).toEqual([
    'alert.opened',
    'service.state',
  ]);
  expect(namesOf([caught('alert.closed', 7)])).toEqual(['alert.closed', 'service.state']);
  expect(namesOf([caught('alert.opened', 9)])).toEqual(['alert.opened']);
  expect(namesOf([caught('alert.updated', 7)])).toEqual(['alert.updated']);
});

test('an alert that is gone is not told of', () => {
  expect(namesOf([caught('alert.closed', 8), caught('alert.closed', 9)])).toEqual(['alert.closed']);
});
