import type { Transaction } from '../../platform/db.ts';
import { closeAlerts } from '../alerts/close.ts';
import type { AlertContext } from '../alerts/context.ts';
import { countFailures } from '../alerts/count.ts';
import { openAlerts } from '../alerts/open.ts';
import { deadline, nextPeriod } from './expectation.ts';
import { isFailureReport } from './status.ts';
import type { Check, Subject } from './store.ts';
import * as store from './store.ts';
import { type Item, insertEvents } from './store-events.ts';
import { absorb, isHealthy, type Vitality } from './vitality.ts';

/** The answer to one report, given only after its commit (G1). */
export type Receipt =
  | { fate: 'recorded'; serviceId: number; heartbeatName: string }
  | { fate: 'unknown' | 'inactive' };

/**
 * The rarer path of receiving: services that are failing, and reports of failure.
 * In: reports. Out: their events, the state, and the alert opened, counted or closed.
 * Crash: all of it is one transaction of the caller.
 */
export async function judgeReports(
  tx: Transaction,
  context: AlertContext,
  items: readonly Item[],
): Promise<Receipt[]> {
  const ids = await store.lockByName(tx, [...new Set(items.map((item) => item.nameKey))]);
  let subjects = byName(await store.subjects(tx, ids));
  const receipts = items.map((item) => receiptOf(subjects.get(item.nameKey)));
  const accepted = items.flatMap((item, index) => {
    const receipt = receipts[index];
    return receipt?.fate === 'recorded' ? [{ serviceId: receipt.serviceId, item }] : [];
  });
  await insertEvents(tx, accepted);
  const rounds = roundsOf(accepted.map(({ item }) => item));
  for (const [index, round] of rounds.entries()) {
    if (index > 0) subjects = byName(await store.subjects(tx, ids));
    await judgeRound(
      tx,
      context,
      [...round].flatMap(([nameKey, reports]) => {
        const subject = subjects.get(nameKey);
        return subject === undefined ? [] : [judge(subject, reports)];
      }),
    );
  }
  return receipts;
}

function byName(subjects: readonly Subject[]): Map<string, Subject> {
  return new Map(subjects.map((subject) => [subject.nameKey, subject]));
}

function receiptOf(subject: Subject | undefined): Receipt {
  if (subject === undefined) return { fate: 'unknown' };
  if (!subject.active) return { fate: 'inactive' };
  return { fate: 'recorded', serviceId: subject.serviceId, heartbeatName: subject.heartbeatName };
}

/**
 * Splits reports into rounds. In one round each service has reports of one kind only, failures or signs of life,
 * which are judged together; a change of mind is judged on the state in between.
 */
export function roundsOf(items: readonly Item[]): Map<string, Item[]>[] {
  const rounds: Map<string, Item[]>[] = [];
  const latest = new Map<string, number>();
  for (const item of items) {
    let index = latest.get(item.nameKey) ?? 0;
    const first = rounds[index]?.get(item.nameKey)?.[0];
    if (first !== undefined && isFailureReport(first.status) !== isFailureReport(item.status)) index += 1;
    latest.set(item.nameKey, index);
    rounds[index] ??= new Map();
    const reports = rounds[index]?.get(item.nameKey);
    if (reports === undefined) rounds[index]?.set(item.nameKey, [item]);
    else reports.push(item);
  }
  return rounds;
}

interface Judgement {
  subject: Subject;
  vitality: Vitality;
  /** Failure reports of this round. */
  failures: number;
  /** The report that recovered the service, else the newest one. */
  decisive: Item;
  recovers: boolean;
}

function judge(subject: Subject, reports: readonly Item[]): Judgement {
  let { vitality } = subject;
  let decisive = reports[0] as Item;
  let recovers = false;
  for (const item of reports) {
    vitality = absorb(vitality, { status: item.status, at: item.receivedAt }, subject.expectation.threshold);
    if (recovers) continue;
    decisive = item;
    recovers = subject.alert !== null && isHealthy(vitality, subject.expectation, item.receivedAt);
  }
  const failures = reports.filter((item) => isFailureReport(item.status)).length;
  return { subject, vitality, failures, decisive, recovers };
}

async function judgeRound(
  tx: Transaction,
  context: AlertContext,
  judgements: readonly Judgement[],
): Promise<void> {
  await store.saveVitality(
    tx,
    judgements.map(({ subject, vitality }) => ({ serviceId: subject.serviceId, vitality })),
  );
  const opened = await openAlerts(
    tx,
    context,
    judgements
      .filter(({ subject, failures }) => failures > 0 && subject.alert === null)
      .map(({ subject, decisive }) => ({
        serviceId: subject.serviceId,
        reason: decisive.status === 'DOWN' ? ('reported_down' as const) : ('job_failed' as const),
        at: decisive.receivedAt,
        dueAt: null,
        report: reportOf(decisive),
      })),
  );
  await countFailures(
    tx,
    context,
    judgements.flatMap(({ subject, failures, decisive }) => {
      const alertId = subject.alert?.alertId ?? opened.get(subject.serviceId);
      const by = subject.alert === null ? failures - 1 : failures;
      if (by < 1 || alertId === undefined) return [];
      const at = decisive.receivedAt;
      return [{ alertId, by, at, periodFrom: at, report: reportOf(decisive) }];
    }),
  );
  await closeAlerts(
    tx,
    context,
    judgements.flatMap(({ subject, recovers, decisive }) =>
      subject.alert === null || !recovers
        ? []
        : [{ alertId: subject.alert.alertId, reason: 'recovered' as const, at: decisive.receivedAt }],
    ),
  );
  await store.saveChecks(
    tx,
    judgements.map((judgement) => checkAfter(judgement, opened.get(judgement.subject.serviceId))),
  );
}

function reportOf(item: Item): { message: string | null; runId: string | null } {
  return { message: item.message, runId: item.runId };
}

function checkAfter({ subject, vitality, failures, decisive, recovers }: Judgement, opened?: number): Check {
  const { serviceId, expectation } = subject;
  const alertId = recovers ? null : (subject.alert?.alertId ?? opened ?? null);
  if (alertId === null) {
    return { serviceId, alertId, checkAt: deadline(expectation, vitality.signs).overdueAt };
  }
  const periodFrom = failures > 0 ? decisive.receivedAt : (subject.alert?.periodFrom ?? decisive.receivedAt);
  return { serviceId, alertId, checkAt: nextPeriod(expectation, periodFrom) };
}
