import { expect } from 'vitest';
import type { Answer, TestMedic } from './medic.ts';

/** The answer is a failure in the envelope, with a message that has all the words. */
export function expectFailure(answer: Answer, status: number, ...words: string[]): void {
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.body).toMatchObject({ success: false, results: '' });
  expect(Object.keys(answer.body).filter((key) => key !== 'errors')).toEqual([
    'success',
    'message',
    'results',
  ]);
  for (const word of words) expect(answer.body.message).toContain(word);
  if (status !== 400) expect(answer.body.errors).toBeUndefined();
}

/** The results of a success in the envelope. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export function resultsOf(answer: Answer, status = 200): any {
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(Object.keys(answer.body)).toEqual(['success', 'message', 'results']);
  expect(answer.body.success).toBe(true);
  return answer.body.results;
}

let names = 0;

/** A name that no other test of the file has. */
export function freshName(prefix = 'service'): string {
  names += 1;
  return `${prefix}-${names}`;
}

/** Registers a service by v2. @returns it as answered. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export async function registered(medic: TestMedic, fields: Record<string, unknown> = {}): Promise<any> {
  const heartbeat_name = freshName();
  const body = { heartbeat_name, service_name: 'Service', alert_interval_seconds: 60, ...fields };
  return resultsOf(await medic.call('POST', '/v2/services', body), 201);
}
