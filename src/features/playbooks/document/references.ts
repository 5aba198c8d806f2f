import { member } from './findings.ts';
import type { Mapping, Value } from './value.ts';

/** A name in a text that stands for something that is stored elsewhere. */
export interface Reference {
  what: 'script' | 'secret';
  name: string;
  at: number;
  path: string;
}

const SECRET = /\$\{secrets\.([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** The names in `${secrets.NAME}`, in their order, with the characters before each. */
export function secretsIn(text: string): { name: string; at: number }[] {
  return [...text.matchAll(SECRET)].map(({ 1: name = '', index }) => ({ name, at: index }));
}

/** The secrets that a value uses, at any depth, in its texts (spec 06 section 6). Keys of maps use none. */
export function secretsOf(value: Value, path: string): Reference[] {
  switch (value.kind) {
    case 'scalar':
      return typeof value.value === 'string'
        ? secretsIn(value.value).map(({ name }) => ({ what: 'secret', name, at: value.at, path }))
        : [];
    case 'list':
      return value.items.flatMap((item, index) => secretsOf(item, `${path}[${index}]`));
    case 'mapping':
      return secretsOfMembers(value, path);
  }
}

function secretsOfMembers({ members }: Mapping, path: string): Reference[] {
  return [...members].flatMap(([key, { value }]) => secretsOf(value, member(path, key)));
}
