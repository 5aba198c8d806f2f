import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deadline } from '../../src/features/heartbeats/expectation.ts';
import { sql } from '../../src/platform/db.ts';
import { registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const STATES = ['inactive', 'down', 'late', 'new', 'degraded', 'up'];
const STATUSES = ['UP', 'DEGRADED', 'STARTED', 'COMPLETED', 'DOWN', 'FAILED'];
const SIGNS = STATUSES.slice(0, 4);

interface Shown {
  service_id: number;
  heartbeat_name: string;
  state: string;
  active: boolean;
  down: boolean;
  active_alert_id: number | null;
  expected_at: string | null;
  overdue_at: string | null;
  monitoring_since: string;
  alert_interval_seconds: number;
  threshold: number;
  grace_period_seconds: number;
}

async function shown(ids: readonly number[]): Promise<Shown[]> {
  const { entries } = resultsOf(await medic.call('GET', '/v2/services?limit=250'));
  return entries.filter((entry: Shown) => ids.includes(entry.service_id));
}

interface SignRow {
  at: Date;
  status: string;
}

/** Signs of life of a service, newest first. */
async function signsOf(serviceId: number): Promise<SignRow[]> {
  const { rows } = await medic.db.query<SignRow>(sql`
    select received_at as at, status from medic.heartbeats
    where service_id = ${serviceId} and status = any(${SIGNS}) order by received_at desc, heartbeat_id desc`);
  return rows;
}

/** The state by the words of the specification, from what is shown and stored beside it. */
function stateByTheBook(service: Shown, signs: readonly SignRow[], now: Date): string {
  if (!service.active) return 'inactive';
  if (service.active_alert_id !== null) return 'down';
  if (service.expected_at !== null && new Date(service.expected_at) < now) return 'late';
  const [newest] = signs;
  if (newest === undefined) return 'new';
  return newest.status === 'DEGRADED' ? 'degraded' : 'up';
}

async function expectStatesToAgree(ids: readonly number[]): Promise<Set<string>> {
  const now = medic.clock.now();
  const services = await shown(ids);
  expect(services).toHaveLength(ids.length);
  for (const service of services) {
    const signs = await signsOf(service.service_id);
    const about = JSON.stringify({ now, service, signs });
    expect(service.state, about).toBe(stateByTheBook(service, signs, now));
    expect(service.down, about).toBe(service.active_alert_id !== null);
    const judged = service.active && !service.down;
    const due = deadline(
      {
        mode: 'interval',
        intervalSeconds: service.alert_interval_seconds,
        threshold: service.threshold,
        graceSeconds: service.grace_period_seconds,
        monitoringSince: new Date(service.monitoring_since),
      },
      signs.map(({ at }) => at),
    );
    expect(service.expected_at, about).toBe(judged ? due.expectedAt.toISOString() : null);
    expect(service.overdue_at, about).toBe(judged ? due.overdueAt.toISOString() : null);
    expect(resultsOf(await medic.call('GET', `/v2/services/${service.service_id}`))).toMatchObject(service);
  }
  for (const state of STATES) {
    const { entries } = resultsOf(await medic.call('GET', `/v2/services?state=${state}&limit=250`));
    const found = entries.map((entry: Shown) => entry.service_id).filter((id: number) => ids.includes(id));
    expect(found).toEqual(
      services.filter((service) => service.state === state).map((service) => service.service_id),
    );
  }
  return new Set(services.map(({ state }) => state));
}

const pick = fc.nat({ max: 7 });
/** One step of a random history; numbers choose the service. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('beat' as const), pick, status: fc.constantFrom(...STATUSES) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('beat' as const), pick, status: fc.constantFrom(...SIGNS) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 45 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('patch' as const),
      pick,
      threshold: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('grace' as const),
      pick,
      seconds: fc.integer({ min: 0, max: 90 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('toggle' as const), pick }) },
);

test('the state shown, its filter and the deadline rule agree through random histories', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 20 }), async (steps) => {
      const services: Shown[] = [];
      for (let n = 0; n < 8; n += 1) {
        services.push(
          await registered(medic, {
            alert_interval_seconds: 10 + 20 * (n % 4),
            grace_period_seconds: 30 * (n % 3),
            threshold: 1 + (n % 2),
          }),
        );
      }
      const ids = services.map(({ service_id }) => service_id);
      const active = new Map(ids.map((id) => [id, true]));
      for (const one of steps) {
        const { service_id = 0, heartbeat_name = '' } = 'pick' in one ? (services[one.pick] ?? {}) : {};
        const path = `/v2/services/${service_id}`;
        if (one.do === 'wait') await medic.advance(`${one.seconds}s`);
        else if (one.do === 'beat') {
          await medic.call('POST', '/heartbeat', { heartbeat_name, status: one.status });
          // Ids of one instant do not tell which came first, so that the book could not be read.
          medic.clock.advance(1);
        } else if (one.do === 'patch') await medic.call('PATCH', path, { threshold: one.threshold });
        else if (one.do === 'grace') await medic.call('PATCH', path, { grace_period_seconds: one.seconds });
        else {
          active.set(service_id, active.get(service_id) !== true);
          await medic.call('PATCH', path, { active: active.get(service_id) });
        }
        for (const state of await expectStatesToAgree(ids)) seen.add(state);
      }
      for (const id of ids) await medic.call('DELETE', `/v2/services/${id}`);
    }),
    { seed: 4, numRuns: 6, endOnFailure: true },
  );
  expect([...seen].sort()).toEqual([...STATES].sort());
});

test('a service is late right after its expected moment and until its deadline, not before', async () => {
  const { service_id, heartbeat_name } = await registered(medic, {
    alert_interval_seconds: 60,
    grace_period_seconds: 30,
  });
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' });
  const state = async () => resultsOf(await medic.call('GET', `/v2/services/${service_id}`)).state;
  await medic.advance('60s');
  expect(await state()).toBe('up');
  await medic.advance('1ms');
  expect(await state()).toBe('late');
  await medic.advance('29s999ms');
  expect(await state()).toBe('late');
  await medic.advance('101ms');
  expect(await state()).toBe('down');
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'STARTED' });
  expect(await state()).toBe('up');
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'degraded' });
  expect(await state()).toBe('degraded');
  await medic.call('POST', `/v2/services/${service_id}/mute`);
  expect(await state()).toBe('degraded');
});
