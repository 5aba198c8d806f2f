import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { alertsById } from '../alerts/view.ts';
import { deliveriesById } from '../notifications/view.ts';
import { servicesById } from '../services/view.ts';
import { narrate } from './narrate.ts';
import * as store from './store.ts';

/** Changes of one transaction of the publisher. */
const BATCH = 500;
/** Events that stay: more than any reader may resume from, for processes that are slow to read. */
const KEPT = 2_000;

export interface PublishContext {
  db: DatabasePool;
  clock: Clock;
  /** `MEDIC_BASE_URL`. */
  baseUrl: string;
}

/**
 * Gives committed changes their place in the stream. A reader that remembers a position misses nothing: there is one
 * publisher at a time, so what is committed later has a greater position.
 * In: rows of the outbox, which the triggers of what changes have written. Out: events with the objects as they are
 * now, the states that were told. Crash: one transaction; what was taken is in the outbox again.
 * @returns how many changes were taken; as many as a batch holds: there may be more.
 */
export async function publish({ db, clock, baseUrl }: PublishContext): Promise<number> {
  if (!(await store.isAnythingWaiting(db))) return 0;
  return db.transaction(async (tx) => {
    if (!(await store.becomePublisher(tx))) return 0;
    const changes = await store.takeWaiting(tx, BATCH);
    const now = clock.now();
    const ids = (prefix: string) => [
      ...new Set(changes.filter(({ type }) => type.startsWith(prefix)).map((change) => change.object_id)),
    ];
    const alerts = await alertsById(tx, ids('alert.'));
    const serviceIds = [
      ...new Set([...ids('service.'), ...[...alerts.values()].map((alert) => alert.service_id)]),
    ];
    const { events, states } = narrate(changes, {
      services: await servicesById(tx, serviceIds, { now, baseUrl }),
      alerts,
      deliveries: await deliveriesById(
        tx,
        changes.flatMap(({ delivery_id: id }) => (id === null ? [] : [id])),
      ),
      told: await store.toldStates(tx, serviceIds),
      now,
    });
    await store.append(tx, events);
    const present = [...states].filter((entry): entry is [number, string] => entry[1] !== null);
    await store.saveToldStates(tx, new Map(present));
    await store.deleteToldStates(
      tx,
      [...states].filter(([, state]) => state === null).map(([id]) => id),
    );
    await store.trim(tx, KEPT);
    return changes.length;
  });
}

/** Everything that is waiting now, in batches. */
export async function publishAll(context: PublishContext): Promise<void> {
  while ((await publish(context)) === BATCH);
}
