import { type Expectation, isSatisfied } from './expectation.ts';
import { clearsFailure, isFailureReport, type Status } from './status.ts';

/** What the reports of a service say about its health, as far as judging it needs. */
export interface Vitality {
  /** Signs of life since the last failure report, newest first, as many as the threshold. */
  signs: readonly Date[];
  everAlive: boolean;
  /** A failure report that no clearing sign has followed. */
  failureUncleared: boolean;
  lastHeartbeatAt: Date | null;
  lastStatus: Status | null;
}

export interface Report {
  status: Status;
  at: Date;
}

/** The vitality after one more report. A failure report voids the signs of life before it (spec 03 section 5). */
export function absorb(vitality: Vitality, report: Report, threshold: number): Vitality {
  const isNewest = vitality.lastHeartbeatAt === null || report.at >= vitality.lastHeartbeatAt;
  const newest = isNewest
    ? { lastHeartbeatAt: report.at, lastStatus: report.status }
    : { lastHeartbeatAt: vitality.lastHeartbeatAt, lastStatus: vitality.lastStatus };
  if (isFailureReport(report.status)) {
    return { ...newest, signs: [], everAlive: vitality.everAlive, failureUncleared: true };
  }
  const signs = [report.at, ...vitality.signs].sort((a, b) => b.getTime() - a.getTime());
  return {
    ...newest,
    signs: signs.slice(0, threshold),
    everAlive: true,
    failureUncleared: vitality.failureUncleared && !clearsFailure(report.status),
  };
}

/** True when a failing service has recovered at `at`. */
export function isHealthy(vitality: Vitality, expectation: Expectation, at: Date): boolean {
  return !vitality.failureUncleared && isSatisfied(expectation, vitality.signs, at);
}
