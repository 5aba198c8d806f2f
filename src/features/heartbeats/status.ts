/** What a heartbeat can say (spec 01 section 4). */
export const STATUSES = ['UP', 'DEGRADED', 'STARTED', 'COMPLETED', 'DOWN', 'FAILED'] as const;
export type Status = (typeof STATUSES)[number];

/** What the statuses mean for a service: a failure report opens an alert, a clearing sign can end one. */
const MEANING: Record<Status, { failure: boolean; clearsFailure: boolean }> = {
  UP: { failure: false, clearsFailure: true },
  DEGRADED: { failure: false, clearsFailure: true },
  STARTED: { failure: false, clearsFailure: false },
  COMPLETED: { failure: false, clearsFailure: true },
  DOWN: { failure: true, clearsFailure: false },
  FAILED: { failure: true, clearsFailure: false },
};

export function isFailureReport(status: Status): boolean {
  return MEANING[status].failure;
}

export function clearsFailure(status: Status): boolean {
  return MEANING[status].clearsFailure;
}

const JOB_SIGNALS = ['STARTED', 'COMPLETED', 'FAILED'] as const satisfies readonly Status[];
export type JobSignal = (typeof JOB_SIGNALS)[number];

/** True for the statuses that, with a run id, also update a run. */
export function isJobSignal(status: Status): status is JobSignal {
  return JOB_SIGNALS.some((signal) => signal === status);
}
