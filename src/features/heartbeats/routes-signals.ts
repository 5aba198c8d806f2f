import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { readTextBodies } from '../../http/body.ts';
import { answers, ok } from '../../http/envelope.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { isUnavailable } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import { Nullable } from '../../platform/schema.ts';
import type { Receipt } from './judge-reports.ts';
import { storedMessage } from './message.ts';
import type { Ingest } from './receive.ts';
import { isRunId, MAX_RUN_ID } from './run-id.ts';
import type { JobSignal } from './status.ts';

const MAX_BODY_BYTES = 1024 * 1024;

const SIGNALS: Record<string, JobSignal> = { start: 'STARTED', complete: 'COMPLETED', fail: 'FAILED' };

const Params = Type.Object({ service_id: Type.String() });
const Recorded = Type.Object({
  service_id: Type.Integer(),
  heartbeat_name: Type.String(),
  status: Type.String({ enum: Object.values(SIGNALS) }),
  run_id: Nullable(Type.String()),
  duration_ms: Type.Optional(Type.Integer()),
  duration_alert: Type.Optional(
    Type.Object({
      alert_type: Type.Literal('exceeded'),
      max_duration_ms: Type.Integer(),
      exceeded_by_ms: Type.Integer(),
    }),
  ),
});

/** `/v2/heartbeat/{service_id}/start`, `/complete` and `/fail` (spec 02). */
export function signalRoutes(app: Router, ingest: Ingest): void {
  app.register(async (scope) => {
    readTextBodies(scope, MAX_BODY_BYTES);
    for (const [name, status] of Object.entries(SIGNALS)) {
      scope.post<{ Params: { service_id: string } }>(
        `/v2/heartbeat/:service_id/${name}`,
        {
          config: needs('write', 'heartbeat'),
          schema: {
            tags: ['heartbeats'],
            summary: `Signal of a job: ${name}`,
            description: 'The body is an optional JSON object with the members run_id and message.',
            params: Params,
            response: answers(201, Recorded),
          },
        },
        async ({ params, body }, reply) => {
          const serviceId = idOf(params.service_id, 'Service');
          const { runId, message } = signalOf(body);
          const report = { service: { serviceId }, status, source: 'signal' as const, runId, message };
          const receipt = await recorded(ingest, report);
          if (receipt.fate === 'unknown') throw new MedicError('not_found', `Service ${serviceId} not found`);
          if (receipt.fate !== 'recorded') {
            throw new MedicError('bad_request', `Service ${serviceId} is inactive`);
          }
          reply.code(201);
          return ok(resultsOf(receipt, status, runId), 'Signal recorded');
        },
      );
    }
  });
}

/** The members of a signal. What is not JSON at all counts as no body, so that no job is lost for its trimmings. */
function signalOf(body: unknown): { runId: string | null; message: string | null } {
  const value = parsed(typeof body === 'string' ? body : '');
  if (value === undefined) return { runId: null, message: null };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MedicError('bad_request', 'The body must be a JSON object');
  }
  const { run_id: runId, message } = value as { run_id?: unknown; message?: unknown };
  if (message !== undefined && typeof message !== 'string') throw invalid('message', 'must be a text');
  return { runId: runIdOf(runId), message: message === undefined ? null : storedMessage(message) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text of 1 to 255 characters, or an integer, which stands for its decimal text. */
function runIdOf(value: unknown): string | null {
  if (value === undefined) return null;
  const text = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || !isRunId(text)) {
    throw invalid('run_id', `must be a text of 1 to ${MAX_RUN_ID} characters, or an integer`);
  }
  return text;
}

async function recorded(ingest: Ingest, report: Parameters<Ingest['receive']>[0]): Promise<Receipt> {
  try {
    return await ingest.receive(report);
  } catch (error) {
    const away = isUnavailable(error);
    const code = away ? 'database_unavailable' : error instanceof MedicError ? error.code : 'internal';
    throw new MedicError(code, 'Failed to record the signal', { cause: error });
  }
}

function resultsOf(receipt: Extract<Receipt, { fate: 'recorded' }>, status: JobSignal, runId: string | null) {
  const { serviceId, heartbeatName, run } = receipt;
  const exceeded = run?.exceeded ?? null;
  return {
    service_id: serviceId,
    heartbeat_name: heartbeatName,
    status,
    run_id: runId,
    ...(run === undefined ? {} : { duration_ms: run.durationMs }),
    ...(exceeded === null
      ? {}
      : {
          duration_alert: {
            alert_type: 'exceeded' as const,
            max_duration_ms: exceeded.maxDurationMs,
            exceeded_by_ms: exceeded.byMs,
          },
        }),
  };
}
