import { afterAll, beforeAll, expect, test } from 'vitest';
import { RATE_CLASSES } from '../../src/features/access/rate-class.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

/** Method, path, scope and rate class as the specification lists them; "–" needs no key. */
const SPECIFIED = `
  GET /health – health
  GET /health/live – health
  GET /health/ready – health
  GET /v1/healthcheck/network – health
  GET /metrics – metrics
  GET /docs/openapi.json – docs
  GET /docs/swagger.json – docs
  GET /schemas/playbook.json – docs
  GET /ping/{ping_key} – ping
  POST /ping/{ping_key} – ping
  GET /ping/{ping_key}/{suffix} – ping
  POST /ping/{ping_key}/{suffix} – ping
  POST /v2/heartbeat/{service_id}/start write heartbeat
  POST /v2/heartbeat/{service_id}/complete write heartbeat
  POST /v2/heartbeat/{service_id}/fail write heartbeat
  GET /v2/services/{service_id}/heartbeats read management
  GET /v2/services/{service_id}/runs read management
  GET /v2/services/{service_id}/stats read management
  POST /heartbeat write heartbeat
  GET /heartbeat read heartbeat
  POST /service write management
  GET /service read management
  GET /service/{heartbeat_name} read management
  POST /service/{heartbeat_name} write management
  GET /alerts read management
  GET /v2/services read management
  POST /v2/services write management
  POST /v2/services/bulk write management
  GET /v2/services/{service_id} read management
  PATCH /v2/services/{service_id} write management
  DELETE /v2/services/{service_id} write management
  POST /v2/services/{service_id}/mute write management
  POST /v2/services/{service_id}/unmute write management
  POST /v2/services/{service_id}/ping-key/rotate write management
  GET /v2/audit-logs read management
  GET /v2/audit-logs/export read management
  GET /v2/events read management
  GET /v2/snapshots read management
  GET /v2/snapshots/{snapshot_id} read management
  POST /v2/snapshots/{snapshot_id}/restore write management
  GET /v2/alerts read management
  GET /v2/alerts/{alert_id} read management
  POST /v2/alerts/{alert_id}/acknowledge write management
  POST /v2/alerts/{alert_id}/resolve write management
  POST /v2/session – management
  GET /v2/session any management
  DELETE /v2/session any management
  GET /v2/api-keys admin management
  POST /v2/api-keys admin management
  GET /v2/api-keys/{api_key_id} admin management
  PATCH /v2/api-keys/{api_key_id} admin management
  DELETE /v2/api-keys/{api_key_id} admin management
  POST /v2/api-keys/{api_key_id}/rotate admin management
  GET /v2/secrets admin management
  POST /v2/secrets admin management
  GET /v2/secrets/{name} admin management
  PATCH /v2/secrets/{name} admin management
  DELETE /v2/secrets/{name} admin management
  GET /v2/webhooks/{webhook_id}/deliveries read management
  POST /v2/webhooks/{webhook_id}/test admin management
  GET /v2/services/{service_id}/targets read management
  POST /v2/services/{service_id}/targets admin management
  GET /v2/services/{service_id}/targets/{target_id} read management
  PATCH /v2/services/{service_id}/targets/{target_id} admin management
  DELETE /v2/services/{service_id}/targets/{target_id} admin management
  POST /v2/services/{service_id}/targets/{target_id}/test admin management
  GET /v2/services/{service_id}/explain read management
  GET /v2/webhooks read management
  POST /v2/webhooks admin management
  GET /v2/webhooks/{webhook_id} read management
  PATCH /v2/webhooks/{webhook_id} admin management
  DELETE /v2/webhooks/{webhook_id} admin management
  GET /v2/teams read management
  POST /v2/teams admin management
  GET /v2/teams/{team_id} read management
  PATCH /v2/teams/{team_id} admin management
  DELETE /v2/teams/{team_id} admin management
  GET /v2/schedules read management
  POST /v2/schedules admin management
  GET /v2/schedules/{schedule_id} read management
  PATCH /v2/schedules/{schedule_id} admin management
  DELETE /v2/schedules/{schedule_id} admin management
  GET /v2/maintenance-windows read management
  POST /v2/maintenance-windows write management
  GET /v2/maintenance-windows/{window_id} read management
  PATCH /v2/maintenance-windows/{window_id} write management
  DELETE /v2/maintenance-windows/{window_id} write management
  GET /v2/playbooks read management
  POST /v2/playbooks admin management
  POST /v2/playbooks/validate read management
  GET /v2/playbooks/{playbook_id} read management
  PATCH /v2/playbooks/{playbook_id} admin management
  DELETE /v2/playbooks/{playbook_id} admin management
  GET /v2/playbooks/{playbook_id}/versions read management
  GET /v2/playbooks/{playbook_id}/versions/{version} read management
  GET /v2/playbooks/{playbook_id}/triggers read management
  POST /v2/playbooks/{playbook_id}/triggers admin management
  GET /v2/playbooks/{playbook_id}/triggers/{trigger_id} read management
  PATCH /v2/playbooks/{playbook_id}/triggers/{trigger_id} admin management
  DELETE /v2/playbooks/{playbook_id}/triggers/{trigger_id} admin management
  GET /v2/scripts admin management
  POST /v2/scripts admin management
  GET /v2/scripts/{script_id} admin management
  PATCH /v2/scripts/{script_id} admin management
  DELETE /v2/scripts/{script_id} admin management
`;

/** Paths with an identical alias under /v1. */
const ALIASED = /^(GET|POST) \/(heartbeat|service|alerts)/;

const ROUTES = SPECIFIED.trim()
  .split('\n')
  .map((line) => line.trim())
  .flatMap((line) => (ALIASED.test(line) ? [line, line.replace(' /', ' /v1/')] : [line]));

type Json = Record<string, unknown>;
interface Operation extends Json {
  parameters?: { in: string; name: string; required?: boolean; schema: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
}

let medic: TestMedic;
let document: {
  openapi: string;
  info: Json;
  components: Json;
  paths: Record<string, Record<string, Operation>>;
};
let operations: { method: string; path: string; operation: Operation }[];
beforeAll(async () => {
  medic = await startTestMedic();
  document = (await medic.call('GET', '/docs/openapi.json')).body;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
});
afterAll(() => medic.close());

const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

test('the document names exactly the routes of the specification, with scope and rate class', () => {
  const published = operations
    .filter(({ method }) => method !== 'HEAD')
    .map(({ method, path, operation }) => {
      const scope = operation['x-medic-scope'];
      return `${method} ${path} ${scope === null ? '–' : scope} ${operation['x-medic-rate-class']}`;
    });
  expect(published.sort()).toEqual([...ROUTES].sort());
});

test('every operation has a scope and a rate class that exist', () => {
  for (const { method, path, operation } of operations) {
    expect(RATE_CLASSES, nameOf({ method, path })).toContain(operation['x-medic-rate-class']);
    expect([null, 'any', 'read', 'write', 'admin']).toContain(operation['x-medic-scope']);
  }
});

test('an operation asks for a key exactly when it needs a scope', () => {
  for (const { operation } of operations) {
    expect(operation.security).toEqual(operation['x-medic-scope'] === null ? [] : [{ apiKey: [] }]);
  }
  expect(document.components).toMatchObject({
    securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
  });
});

test('every operation describes its success and its failures', () => {
  for (const { operation, ...route } of operations) {
    const name = nameOf(route);
    const statuses = Object.keys(operation.responses);
    expect(statuses.filter((status) => /^20[014]$/.test(status)).length, name).toBeGreaterThan(0);
    // Pings answer plain text, failures included.
    const plain = route.path.startsWith('/ping/');
    expect(statuses, name).toContain(plain ? '404' : '4XX');
    expect(
      statuses.some((status) => /^5/.test(status)),
      name,
    ).toBe(true);
    for (const [status, { content, description }] of Object.entries(operation.responses)) {
      expect(description).toBeTypeOf('string');
      if (status === '204') continue;
      const [media, ...more] = Object.values(content ?? {});
      expect(more).toEqual([]);
      expect(media?.schema.type, `${name} ${status}`).toBeTypeOf('string');
      if (status !== '4XX') continue;
      expect(media?.schema).toMatchObject({
        required: ['success', 'message', 'results'],
        properties: { success: { enum: [false] }, message: { type: 'string' }, results: { enum: [''] } },
      });
    }
  }
});

test('every operation says what it is for', () => {
  for (const { operation } of operations) {
    expect(operation.summary).toBeTypeOf('string');
    expect(operation.tags).toHaveLength(1);
  }
});

const TYPES = ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null'];
/** Keywords of JSON Schema 2020-12, the dialect of OpenAPI 3.1, that Medic uses. */
const KEYWORDS: Record<string, (value: unknown) => boolean> = {
  type: (value) => TYPES.includes(value as string),
  description: (value) => typeof value === 'string',
  required: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
  properties: (value) => Object.values(value as Json).every((schema) => check(schema as Json)),
  items: (value) => check(value as Json),
  anyOf: (value) => Array.isArray(value) && value.length > 0 && value.every((schema) => check(schema)),
  additionalProperties: (value) => typeof value === 'boolean' || check(value as Json),
  enum: (value) => Array.isArray(value) && new Set(value).size === value.length && value.length > 0,
  const: (value) => value !== undefined,
  default: (value) => value !== undefined,
  format: (value) => ['date-time', 'uuid', 'uri'].includes(value as string),
  pattern: (value) => new RegExp(value as string, 'u') instanceof RegExp,
  minLength: Number.isInteger,
  maxLength: Number.isInteger,
  minItems: Number.isInteger,
  maxItems: Number.isInteger,
  minimum: Number.isFinite,
  maximum: Number.isFinite,
};

function check(schema: Json): boolean {
  for (const [keyword, value] of Object.entries(schema)) {
    expect(Object.keys(KEYWORDS), keyword).toContain(keyword);
    expect(KEYWORDS[keyword]?.(value), `${keyword}: ${JSON.stringify(value)}`).toBe(true);
  }
  const { properties, required } = schema as { properties?: Json; required?: string[] };
  for (const name of required ?? []) expect(Object.keys(properties ?? {})).toContain(name);
  return true;
}

test('the document is an OpenAPI 3.1 document', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toMatchObject({ title: 'Medic', version: expect.any(String) });
  const templates = Object.keys(document.paths).map((path) => path.replaceAll(/\{[^}]+\}/g, '{}'));
  expect(new Set(templates).size).toBe(templates.length);
  for (const { method, path, operation } of operations) {
    expect(['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE']).toContain(method);
    expect(path).toMatch(/^\/[^?#]*$/);
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const parameters = operation.parameters ?? [];
    expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(inPath);
    expect(new Set(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size).toBe(
      parameters.length,
    );
    for (const parameter of parameters) {
      expect(['path', 'query', 'header', 'cookie']).toContain(parameter.in);
      if (parameter.in === 'path') expect(parameter.required).toBe(true);
      check(parameter.schema);
    }
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) check(schema);
    for (const [status, { content }] of Object.entries(operation.responses)) {
      expect(status).toMatch(/^([1-5]XX|[1-5]\d\d|default)$/);
      for (const { schema } of Object.values(content ?? {})) check(schema);
    }
  }
});

test('routes with a body refuse unknown members', () => {
  for (const { operation, ...route } of operations) {
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
      expect(schema.additionalProperties, nameOf(route)).toBe(false);
    }
  }
});

test('/docs/swagger.json is the same document, and HEAD works', async () => {
  expect((await medic.call('GET', '/docs/swagger.json')).body).toEqual(document);
  expect((await medic.call('HEAD', '/docs/openapi.json')).status).toBe(200);
});
