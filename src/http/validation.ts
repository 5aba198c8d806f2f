import { Ajv, type AnySchema, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

/**
 * Compiles the schemas of routes. Bodies are taken as they are: a wrong type is an error, an unknown member too.
 * Only the texts of queries and paths are converted to the declared type.
 */
export function createValidatorCompiler() {
  const body = validator({ coerceTypes: false });
  const text = validator({ coerceTypes: true });
  return ({ schema, httpPart }: { schema: unknown; httpPart?: string }): ValidateFunction =>
    (httpPart === 'body' ? body : text).compile(schema as AnySchema);
}

function validator(options: { coerceTypes: boolean }): Ajv {
  const ajv = new Ajv({
    ...options,
    allErrors: true,
    removeAdditional: false,
    useDefaults: true,
    strict: true,
    strictTypes: false,
  });
  (formats as unknown as (ajv: Ajv, names: string[]) => void)(ajv, ['date-time', 'uuid', 'uri']);
  ajv.addKeyword({
    keyword: 'anyCase',
    type: 'string',
    schemaType: 'array',
    modifying: true,
    errors: true,
    validate: anyCase,
  });
  return ajv;
}

interface AnyCaseKeyword {
  (
    words: string[],
    text: string,
    schema?: unknown,
    place?: { parentData: Record<string, unknown>; parentDataProperty: string | number },
  ): boolean;
  errors?: { keyword: string; message: string; params: object }[];
}

const anyCase: AnyCaseKeyword = (words, text, _schema, place) => {
  const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
  if (found === undefined) {
    anyCase.errors = [{ keyword: 'anyCase', message: `must be one of ${words.join(', ')}`, params: {} }];
    return false;
  }
  if (place !== undefined) place.parentData[place.parentDataProperty] = found;
  return true;
};
