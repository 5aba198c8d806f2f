/** What the stream tells (spec 10 section 7), and besides what became of messages. */
export const EVENT_TYPES = [
  'service.created',
  'service.updated',
  'service.deleted',
  'service.state',
  'alert.opened',
  'alert.updated',
  'alert.closed',
  'delivery.updated',
  'execution.created',
  'execution.updated',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event in its place. */
export interface Event {
  position: number;
  type: EventType;
  occurred_at: Date;
  data: object;
}
