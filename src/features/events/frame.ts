import type { Event } from './event.ts';

/** An event as it is sent (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function frame({ position, type, occurred_at, data }: Event): string {
  const body = JSON.stringify({ type, id: position, occurred_at: occurred_at.toISOString(), data });
  return `id: ${position}\nevent: ${type}\ndata: ${body}\n\n`;
}

/** Tells a reader that events may be missing before a position: it must read everything anew. */
export function reset(position: number, at: Date): string {
  const body = JSON.stringify({ type: 'reset', id: position, occurred_at: at.toISOString(), data: null });
  return `id: ${position}\nevent: reset\ndata: ${body}\n\n`;
}

/** A sign of life, with the position from which a reader may resume even if nothing it asked for has happened. */
export function comment(position: number): string {
  return `: medic\nid: ${position}\n\n`;
}
