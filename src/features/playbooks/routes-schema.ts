import { Type } from 'typebox';
import { open } from '../../http/access.ts';
import { failures } from '../../http/envelope.ts';
import type { Router } from '../../http/server.ts';
import { PLAYBOOK_SCHEMA } from './json-schema.ts';

/** `/schemas/playbook.json`: for editors, public as `/docs` (spec 05 section 4). */
export function schemaRoutes(app: Router): void {
  app.get(
    '/schemas/playbook.json',
    {
      config: open('docs'),
      schema: {
        tags: ['docs'],
        summary: 'The JSON Schema (draft 2020-12) of playbooks',
        response: { 200: Type.Unsafe<object>({ type: 'object', additionalProperties: true }), ...failures },
      },
    },
    () => PLAYBOOK_SCHEMA as object,
  );
}
