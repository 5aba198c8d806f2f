import type { Transaction } from '../../platform/db.ts';
import { closeAlerts } from '../alerts/close.ts';
import { countFailures } from '../alerts/count.ts';
import { openAlerts } from '../alerts/open.ts';
import { type Maintenance, maintenanceOf } from '../routing/maintenance.ts';
import { tellHeld } from './held.ts';
import { type Check, heldCheckOf, keptCheck, nextCheckOf } from './next-check.ts';
import { type RunContext, type RunResult, trackRuns } from './runs.ts';
import { isFailureReport, isJobSignal } from './status.ts';
import type { Subject } from './store.ts';
import * as store from './store.ts';
import { type Item, insertEvents } from './store-events.ts';
import { saveReports, takeReports } from './store-held.ts';
import { absorb, isHealthy, type Vitality } from './vitality.ts';

/** The answer to one report, given only after its commit (G1). */
export type Receipt =
  | { fate: 'recorded'; serviceId: number; heartbeatName: string; run?: RunResult }
  | { fate: 'unknown' | 'inactive' }
  /** By the database, alone in its batch. */
  | { fate: 'refused'; error: unknown };

/** A report whose service has been found. */
export interface Report {
  serviceId: number;
  item: Item;
}

/**
 * The rarer path of receiving: services that are failing, reports of failure, and signals of runs.
 * In: reports. Out: their events, the state, runs, and the alert opened, counted or closed; in maintenance the report
 * that an alert will open for.
 * Crash: all of it is one transaction of the caller.
 */
export async function judgeReports(
  tx: Transaction,
  context: RunContext,
  reports: readonly Report[],
): Promise<Receipt[]> {
  const ids = await store.lockAll(tx, [...new Set(reports.map(({ serviceId }) => serviceId))]);
  let subjects = byId(await store.subjects(tx, ids));
  const receipts = reports.map(({ serviceId }) => receiptOf(subjects.get(serviceId)));
  const accepted = reports.filter((_, index) => receipts[index]?.fate === 'recorded');
  await insertEvents(tx, accepted);
  // Before the service recovers: that ends its mute, and what ends together with it is not announced any more.
  const runs = await trackRunsOf(tx, context, accepted, subjects);
  for (const [index, round] of roundsOf(accepted).entries()) {
    if (index > 0) subjects = byId(await store.subjects(tx, ids));
    await judgeRound(
      tx,
      context,
      [...round].flatMap(([serviceId, items]) => {
        const subject = subjects.get(serviceId);
        return subject === undefined ? [] : [judge(subject, items)];
      }),
    );
  }
  return receipts.map((receipt, index) => {
    const run = runs.get(reports[index] as Report);
    return run === undefined ? receipt : { ...receipt, run };
  });
}

function byId(subjects: readonly Subject[]): Map<number, Subject> {
  return new Map(subjects.map((subject) => [subject.serviceId, subject]));
}

function receiptOf(subject: Subject | undefined): Receipt {
  if (subject === undefined) return { fate: 'unknown' };
  if (!subject.active) return { fate: 'inactive' };
  return { fate: 'recorded', serviceId: subject.serviceId, heartbeatName: subject.heartbeatName };
}

async function trackRunsOf(
  tx: Transaction,
  context: RunContext,
  reports: readonly Report[],
  subjects: ReadonlyMap<number, Subject>,
): Promise<Map<Report, RunResult>> {
  const signals = reports.flatMap((report) => {
    const { serviceId, item } = report;
    if (item.runId === null || !isJobSignal(item.status)) return [];
    const maxDurationMs = subjects.get(serviceId)?.maxDurationMs ?? null;
    return [
      { report, serviceId, runId: item.runId, status: item.status, at: item.receivedAt, maxDurationMs },
    ];
  });
  const results = await trackRuns(tx, context, signals);
  return new Map(
    signals.flatMap(({ report }, index) => {
      const result = results[index];
      return result === undefined ? [] : [[report, result] as const];
    }),
  );
}

/**
 * Splits reports into rounds. In one round each service has reports of one kind only, failures or signs of life,
 * which are judged together; a change of mind is judged on the state in between.
 */
export function roundsOf(reports: readonly Report[]): Map<number, Item[]>[] {
  const rounds: Map<number, Item[]>[] = [];
  const latest = new Map<number, number>();
  for (const { serviceId, item } of reports) {
    let index = latest.get(serviceId) ?? 0;
    const first = rounds[index]?.get(serviceId)?.[0];
    if (first !== undefined && isFailureReport(first.status) !== isFailureReport(item.status)) index += 1;
    latest.set(serviceId, index);
    rounds[index] ??= new Map();
    const items = rounds[index]?.get(serviceId);
    if (items === undefined) rounds[index]?.set(serviceId, [item]);
    else items.push(item);
  }
  return rounds;
}

interface Judgement {
  subject: Subject;
  vitality: Vitality;
  /** Failure reports of this round. */
  failures: number;
  /** The oldest report of this round. */
  first: Item;
  /** The report that recovered the service, else the newest one. */
  decisive: Item;
  recovers: boolean;
}

function judge(subject: Subject, items: readonly Item[]): Judgement {
  let { vitality } = subject;
  let decisive = items[0] as Item;
  let recovers = false;
  for (const item of items) {
    vitality = absorb(vitality, { status: item.status, at: item.receivedAt }, subject.expectation.threshold);
    if (recovers) continue;
    decisive = item;
    recovers = subject.alert !== null && isHealthy(vitality, subject.expectation, item.receivedAt);
  }
  const failures = items.filter((item) => isFailureReport(item.status)).length;
  return { subject, vitality, failures, first: items[0] as Item, decisive, recovers };
}

async function judgeRound(
  tx: Transaction,
  context: RunContext,
  judgements: readonly Judgement[],
): Promise<void> {
  await store.saveVitality(
    tx,
    judgements.map(({ subject, vitality }) => ({ serviceId: subject.serviceId, vitality })),
  );
  const maintenance = await maintenanceFor(tx, context, judgements);
  const isFree = ({ subject }: Judgement) => maintenance.holdOf(subject.serviceId) === undefined;
  await keepHeldReports(tx, context, judgements, maintenance);
  const opened = await openAlerts(
    tx,
    context,
    judgements
      .filter(isFree)
      .filter(({ subject, failures }) => failures > 0 && subject.alert === null)
      .map(({ subject, first }) => ({
        serviceId: subject.serviceId,
        kind: 'service' as const,
        reason: first.status === 'DOWN' ? ('reported_down' as const) : ('job_failed' as const),
        runId: first.status === 'FAILED' ? first.runId : null,
        at: first.receivedAt,
        dueAt: null,
        outageSeconds: 0,
        report: reportOf(first),
      })),
  );
  await countFailures(
    tx,
    context,
    judgements.filter(isFree).flatMap(({ subject, failures, decisive }) => {
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
    judgements.map((judgement) =>
      checkAfter(judgement, maintenance, opened.get(judgement.subject.serviceId)),
    ),
  );
}

/** Only a failure report asks for windows. */
function maintenanceFor(
  tx: Transaction,
  context: RunContext,
  judgements: readonly Judgement[],
): Promise<Maintenance> {
  const failing = judgements.filter(({ failures }) => failures > 0);
  const at = new Date(Math.max(0, ...failing.map(({ decisive }) => decisive.receivedAt.getTime())));
  return maintenanceOf(
    tx,
    context.log,
    failing.map(({ subject }) => subject.serviceId),
    { from: at, at },
  );
}

/** Keeps the report that an alert will open for when the window ends, and forgets it when it is cleared before. */
async function keepHeldReports(
  tx: Transaction,
  context: RunContext,
  judgements: readonly Judgement[],
  { holdOf }: Maintenance,
): Promise<void> {
  const silent = judgements.filter(({ subject }) => subject.alert === null);
  const held = silent.flatMap(({ subject, decisive, failures }) => {
    const hold = holdOf(subject.serviceId);
    return hold === undefined || failures === 0 ? [] : [{ subject, decisive, hold }];
  });
  await saveReports(
    tx,
    held.map(({ subject, decisive }) => ({
      serviceId: subject.serviceId,
      ...reportOf(decisive),
      status: decisive.status === 'DOWN' ? 'DOWN' : 'FAILED',
    })),
  );
  tellHeld(
    tx,
    context,
    held
      .filter(({ subject, hold }) => subject.heldBy !== hold.windowId)
      .map(({ subject, hold }) => ({ serviceId: subject.serviceId, hold, runId: null })),
  );
  const settled = silent.filter(
    ({ subject, vitality, failures }) =>
      subject.vitality.failureUncleared &&
      (!vitality.failureUncleared || (failures > 0 && holdOf(subject.serviceId) === undefined)),
  );
  await takeReports(
    tx,
    settled.map(({ subject }) => subject.serviceId),
  );
}

function reportOf(item: Item): { message: string | null; runId: string | null } {
  return { message: item.message, runId: item.runId };
}

function checkAfter(judgement: Judgement, { holdOf }: Maintenance, opened?: number): Check {
  const { subject, vitality, failures, decisive, recovers } = judgement;
  const { serviceId, expectation } = subject;
  const hold = holdOf(serviceId);
  const at = decisive.receivedAt;
  const alertId = recovers ? null : (subject.alert?.alertId ?? opened ?? null);
  // A report that is not counted does not restart the period either.
  const periodFrom = failures > 0 && hold === undefined ? at : (subject.alert?.periodFrom ?? at);
  const alert = alertId === null ? null : { alertId, periodFrom };
  const watched = { serviceId, expectation, signs: vitality.signs, alert };
  if (alert !== null || !vitality.failureUncleared) return nextCheckOf(watched, at);
  return hold === undefined ? keptCheck(subject, nextCheckOf(watched, at)) : heldCheckOf(watched, hold, at);
}
