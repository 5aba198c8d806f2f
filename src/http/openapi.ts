import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { open } from './access.ts';
import { failures } from './envelope.ts';

/** Serves the OpenAPI 3.1 document that is generated from the routes. Call before any route. */
export async function publishOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Medic',
        version,
        description: 'Heartbeat monitor: notices what falls silent and tells the right people.',
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
    },
    transform: ({ schema, url, route }) => {
      const access = route.config?.access;
      const described = {
        ...schema,
        ...(access === undefined
          ? {}
          : {
              'x-medic-scope': access.scope,
              'x-medic-rate-class': access.rateClass,
              security: access.scope === null ? [] : [{ apiKey: [] }],
            }),
      };
      return { schema: asStandard(described) as typeof schema, url };
    },
  });
  app.after(() => {
    for (const url of ['/docs/openapi.json', '/docs/swagger.json']) {
      app.get(
        url,
        {
          config: open('docs'),
          schema: {
            summary: 'This document',
            tags: ['docs'],
            response: {
              200: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
              ...failures,
            },
          },
        },
        () => app.swagger() as object,
      );
    }
  });
}

/** Our own keyword for words in any letter case reads as `enum` to everyone else. */
function asStandard(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asStandard);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key === 'anyCase' ? 'enum' : key, asStandard(inner)]),
  );
}
