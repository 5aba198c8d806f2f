import { Readable } from 'node:stream';
import { type Static, Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { answers, Failure, ok } from '../../http/envelope.ts';
import { instantOf, ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import type { Router } from '../../http/server.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { AnyCase, MAX_ID, SearchText } from '../../platform/schema.ts';
import { prefersCsv } from './csv.ts';
import { ACTION_TYPES } from './entry.ts';
import { EXPORT_FORMATS, exportEntries } from './export.ts';
import { AuditEntry, auditEntry, CSV_HEADER, csvOf } from './resource.ts';
import * as store from './store.ts';

const tags = ['audit'];
const CSV = 'text/csv; charset=utf-8';
const JSON_TEXT = 'application/json; charset=utf-8';

const FILTERS = {
  execution_id: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  service_id: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ID })),
  playbook_id: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ID })),
  action_type: Type.Optional(AnyCase(ACTION_TYPES)),
  actor: Type.Optional(SearchText),
  start_date: Type.Optional(Type.String()),
  end_date: Type.Optional(Type.String()),
};
const strict = { additionalProperties: false };
const ListQuery = Type.Object({ ...PageQuery, ...FILTERS }, strict);
const ExportQuery = Type.Object(
  { format: Type.Optional(AnyCase(EXPORT_FORMATS, { default: 'csv' })), ...FILTERS },
  strict,
);

/** `/v2/audit-logs` (spec 06 section 9). */
export function auditRoutes(app: Router, { db }: { db: DatabasePool }): void {
  app.get(
    '/v2/audit-logs',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Who did what, newest first',
        description: 'With Accept: text/csv the same page as CSV, its paging in headers.',
        querystring: ListQuery,
        response: answers(200, ListOf(AuditEntry)),
      },
    },
    async ({ query, headers }, reply) => {
      const page = pageOf(query);
      const filter = filterOf(query);
      const [rows, total] = await Promise.all([store.list(db, filter, page), store.count(db, filter)]);
      const list = listOf(rows.map(auditEntry), total, page);
      if (!prefersCsv(headers.accept)) return ok(list);
      reply.type(CSV).headers({
        'content-disposition': 'attachment; filename=audit_logs.csv',
        'x-total-count': total,
        'x-limit': page.limit,
        'x-offset': page.offset,
        'x-has-more': String(list.has_more),
      });
      return reply.send((CSV_HEADER + rows.map(csvOf).join('')) as never);
    },
  );

  app.get(
    '/v2/audit-logs/export',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Everything that matches, as one file of CSV or JSON',
        querystring: ExportQuery,
        response: { 200: Type.Unsafe<Readable>({ type: 'string' }), '4xx': Failure, '5xx': Failure },
      },
    },
    async ({ query, method }, reply) => {
      const { format = 'csv' } = query;
      const filter = filterOf(query);
      const text = method === 'HEAD' ? [] : await exportEntries(db, filter, format);
      return reply
        .type(format === 'csv' ? CSV : JSON_TEXT)
        .header('content-disposition', `attachment; filename=audit_logs.${format}`)
        .send(Readable.from(text, { objectMode: false }));
    },
  );
}

function filterOf(query: Static<typeof ExportQuery>): store.Filter {
  return {
    executionId: query.execution_id,
    serviceId: query.service_id,
    playbookId: query.playbook_id,
    action: query.action_type,
    actor: query.actor,
    from: instantOf('start_date', query.start_date),
    to: instantOf('end_date', query.end_date),
  };
}
