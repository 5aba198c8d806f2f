/**
 * Writes the types of requests and answers of the client from the OpenAPI document of the routes.
 * `--check` writes nothing and fails when they are not current. Needs no database.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createApi } from '../src/api.ts';
import { wire } from '../src/app.ts';
import { ManualClock } from '../src/platform/clock.ts';
import { readConfig } from '../src/platform/config.ts';
import { openDatabase } from '../src/platform/db.ts';
import { createLogger } from '../src/platform/logging.ts';
import { Metrics } from '../src/platform/metrics.ts';

const FILE = path.join(import.meta.dirname, '../client/src/api.gen.ts');
const OPERATIONS = [
  'POST /heartbeat',
  'GET /heartbeat',
  'POST /service',
  'POST /v2/heartbeat/{service_id}/start',
  'POST /v2/heartbeat/{service_id}/complete',
  'POST /v2/heartbeat/{service_id}/fail',
];

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  description?: string;
}

interface Operation {
  summary?: string;
  parameters?: { in: string; name: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: { 'application/json': { schema: Schema } } };
  responses: Record<string, { content?: { 'application/json'?: { schema: Schema } } }>;
}

const generated = render(await openApi());
if (process.argv.includes('--check')) {
  if ((await readFile(FILE, 'utf8').catch(() => '')) !== generated) {
    process.stderr.write('client/src/api.gen.ts is not what the routes say: run "npm run client:types"\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(FILE, generated);
}

/** The routes describe themselves; nothing is listened on and no connection is made. */
async function openApi(): Promise<Record<string, Record<string, Operation>>> {
  const settings = readConfig({});
  const log = createLogger({ level: 'ERROR', format: 'json', environment: '', version: '' });
  const db = openDatabase({ connection: {}, poolSize: 1, log });
  const clock = new ManualClock(new Date(0));
  const parts = wire({ db, clock, log, metrics: new Metrics(), settings });
  const app = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
  await app.ready();
  const { paths } = (
    app as unknown as { swagger(): { paths: Record<string, Record<string, Operation>> } }
  ).swagger();
  await app.close();
  await db.end();
  return paths;
}

function render(paths: Record<string, Record<string, Operation>>): string {
  const operations = OPERATIONS.map((name) => {
    const [method = '', route = ''] = name.split(' ');
    const operation = paths[route]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error(`there is no ${name}`);
    return `  /** ${operation.summary} */\n  '${name}': ${indent(describe(operation))};`;
  });
  return `// Generated from the OpenAPI document of the routes by "npm run client:types". Do not edit.\n\nexport interface Operations {\n${operations.join('\n')}\n}\n`;
}

function describe({ parameters = [], requestBody, responses }: Operation): string {
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const success = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1];
  const envelope = success?.content?.['application/json']?.schema;
  const members: [string, Schema][] = [];
  if (query.length > 0) {
    members.push([
      'query',
      {
        type: 'object',
        properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
        required: query.filter(({ required }) => required === true).map(({ name }) => name),
      },
    ]);
  }
  if (requestBody !== undefined) members.push(['body', requestBody.content['application/json'].schema]);
  members.push(['results', envelope?.properties?.results ?? {}]);
  return objectOf(Object.fromEntries(members), new Set(members.map(([name]) => name)));
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => JSON.stringify(word)).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ');
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `Array<${typeOf(schema.items ?? {})}>`;
    case 'object':
      if (schema.properties === undefined) return 'Record<string, unknown>';
      return objectOf(schema.properties, new Set(schema.required));
    default:
      return 'unknown';
  }
}

function objectOf(properties: Record<string, Schema>, required: ReadonlySet<string>): string {
  const members = Object.entries(properties).map(([name, schema]) => {
    const comment = schema.description === undefined ? '' : `  /** ${schema.description} */\n`;
    return `${comment}  ${name}${required.has(name) ? '' : '?'}: ${indent(typeOf(schema))};`;
  });
  return members.length === 0 ? 'Record<string, never>' : `{\n${members.join('\n')}\n}`;
}

function indent(text: string): string {
  return text.replaceAll('\n', '\n  ');
}
