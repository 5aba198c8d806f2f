import Fastify, { type FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { createValidatorCompiler } from '../../src/http/validation.ts';

const Body = Type.Object(
  {
    heartbeat_name: Type.String({ minLength: 1, maxLength: 255 }),
    status: Type.String(),
    service_name: Type.Optional(Type.String()),
    run_id: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    message: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

const Answer = Type.Object({ success: Type.Boolean(), message: Type.String(), results: Type.Literal('') });

/** Fastify with nothing but the heartbeat route: the schemas and the parser settings of Medic, none of its hooks. */
export function heartbeatServer(record: (heartbeatName: string) => Promise<void>): FastifyInstance {
  const app = Fastify({ logger: false, bodyLimit: 1024 * 1024 });
  app.setValidatorCompiler(createValidatorCompiler());
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  );
  app.post<{ Body: { heartbeat_name: string } }>(
    '/v1/heartbeat',
    { schema: { body: Body, response: { 201: Answer } } },
    async ({ body }, reply) => {
      await record(body.heartbeat_name);
      reply.code(201);
      return { success: true, message: 'Heartbeat recorded', results: '' };
    },
  );
  return app;
}

/** Listens on a free port, tells it, and ends with the process that started this one. */
export async function serve(app: FastifyInstance): Promise<void> {
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  process.stdout.write(`port ${new URL(address).port}\n`);
  process.stdin.on('end', () => process.exit(0)).resume();
  process.on('SIGTERM', () => process.exit(0));
}
