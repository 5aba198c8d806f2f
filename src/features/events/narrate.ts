import type { EventType } from './event.ts';

/** A change as it was caught. */
export interface Caught {
  /** Several changes of an object in one transaction are one. */
  transaction_id: string;
  type: EventType;
  object_id: number;
  /** Null: not known more exactly than `now`. */
  occurred_at: Date | null;
  remains: object | null;
  delivery_id: string | null;
}

/** What the objects look like now; those that are gone are absent. */
export interface Scene {
  services: ReadonlyMap<number, { state: string }>;
  alerts: ReadonlyMap<number, { kind: string; service_id: number }>;
  deliveries: ReadonlyMap<string, object>;
  /** The states of services that were told last. */
  told: ReadonlyMap<number, string>;
  now: Date;
}

export interface Told {
  events: { type: EventType; occurred_at: Date; data: object }[];
  /** The states that are told by now; null: the service is gone. */
  states: Map<number, string | null>;
}

/**
 * What the stream tells of changes, in their order. A state is told when it differs from the one that was told last,
 * which an alert that opens or closes may have changed, too.
 * Of what happened to a service that is gone meanwhile, its names are told.
 */
export function narrate(changes: readonly Caught[], scene: Scene): Told {
  const told: Told = { events: [], states: new Map() };
  const remains = new Map(changes.map((change) => [change.object_id, change.remains]));
  for (const change of onceForEachTransaction(changes)) {
    const { type, object_id: id } = change;
    const tell = (as: EventType, data: object) =>
      told.events.push({ type: as, occurred_at: change.occurred_at ?? scene.now, data });
    if (type === 'delivery.updated') {
      const delivery = scene.deliveries.get(change.delivery_id ?? '');
      if (delivery !== undefined) tell(type, delivery);
      continue;
    }
    if (type.startsWith('alert.')) {
      const alert = scene.alerts.get(id);
      if (alert === undefined) continue;
      tell(type, alert);
      if (alert.kind === 'service' && type !== 'alert.updated') tellState(alert.service_id, tell);
      continue;
    }
    if (type === 'service.deleted') {
      tell(type, change.remains ?? { service_id: id });
      told.states.set(id, null);
      continue;
    }
    const service = scene.services.get(id);
    if (service === undefined) {
      if (type !== 'service.state') tell(type, remains.get(id) ?? { service_id: id });
      continue;
    }
    if (type !== 'service.state') tell(type, service);
    if (type === 'service.created') told.states.set(id, service.state);
    else tellState(id, tell);
  }
  return told;

  function tellState(id: number, tell: (type: EventType, data: object) => void): void {
    const service = scene.services.get(id);
    if (service === undefined || service.state === (told.states.get(id) ?? scene.told.get(id))) return;
    tell('service.state', service);
    told.states.set(id, service.state);
  }
}

/** The last of what one transaction did to an object in one respect. */
function onceForEachTransaction(changes: readonly Caught[]): Caught[] {
  const last = new Map<string, Caught>();
  for (const change of changes) {
    const key = `${change.transaction_id} ${change.type} ${change.object_id}`;
    const earlier = last.get(key);
    last.delete(key);
    last.set(key, { ...change, occurred_at: change.occurred_at ?? earlier?.occurred_at ?? null });
  }
  return [...last.values()];
}
