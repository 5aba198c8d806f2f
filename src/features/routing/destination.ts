import type { Place } from './decision.ts';

/** The destinations of services that have no targets of their own, from the environment (spec 04 section 2). */
export interface DefaultRoute {
  slackToken: string | undefined;
  slackChannel: string | undefined;
  pagerDutyKey: string | undefined;
}

export const PERIODS = ['always', 'during_hours', 'after_hours'] as const;
export type Period = (typeof PERIODS)[number];

export interface Target extends Place {
  enabled: boolean;
  period: Period;
  /** Why its channel can send nothing as Medic is configured now. */
  unavailable?: string | undefined;
}

export interface Webhook extends Place {
  enabled: boolean;
}
