import { METHODS } from 'node:http';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import type { RateClass } from '../features/access/rate-class.ts';
import { MedicError } from '../platform/errors.ts';
import { open } from './access.ts';

/** Answers a known path with another method by 405 and `Allow`, and an unknown path by 404. Call before any route. */
export function answerUnmatched(app: FastifyInstance): { complete(): void } {
  const methodsOf = new Map<string, Set<string>>();
  const classOf = new Map<string, RateClass>();
  // Fastify routes a few methods only; a known path is to refuse all that Node reads. CONNECT never gets here.
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method);
  }
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.access !== undefined) classOf.set(url, config.access.rateClass);
    const methods = methodsOf.get(url) ?? new Set();
    for (const one of Array.isArray(method) ? method : [method]) methods.add(one);
    methodsOf.set(url, methods);
  });
  // Before the body is read: it changes nothing, and nobody has been let in.
  app.addHook('onRequest', (request, _reply, done) => {
    done(request.is404 ? new MedicError('not_found', 'Not found') : undefined);
  });
  return {
    /** Call after the last route: gives every path a handler for the methods that it lacks. */
    complete() {
      const supported = app.supportedMethods as HTTPMethods[];
      for (const [url, methods] of [...methodsOf]) {
        if (url === '*') continue;
        const allow = [...methods].sort().join(', ');
        app.route({
          method: supported.filter((method) => !methods.has(method)),
          url,
          exposeHeadRoute: false,
          schema: { hide: true },
          config: { ...open(classOf.get(url) ?? 'management'), isRefusal: true },
          // Before the body is read, so that the method alone decides.
          onRequest: (_request, reply) => {
            reply.header('allow', allow);
            throw new MedicError('method_not_allowed', 'This method is not allowed here');
          },
          handler: () => undefined,
        });
      }
    },
  };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route only says that the method is not allowed. */
    isRefusal?: boolean;
  }
}
