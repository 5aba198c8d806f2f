/** A value of a text, with the place at which it is written: characters before it. */
export type Value = Scalar | List | Mapping;

export interface Scalar {
  kind: 'scalar';
  at: number;
  value: string | number | boolean | null;
  /** As it is written: `1.10` for the number 1.1. */
  source: string;
}

export interface List {
  kind: 'list';
  at: number;
  items: Value[];
}

export interface Mapping {
  kind: 'mapping';
  at: number;
  members: ReadonlyMap<string, { at: number; value: Value }>;
}

/** As JSON has it. Defines members instead of assigning them, so that `__proto__` is a key like any other. */
export function plain(value: Value): unknown {
  switch (value.kind) {
    case 'scalar':
      return value.value;
    case 'list':
      return value.items.map(plain);
    case 'mapping':
      return plainMembers(value);
  }
}

export function plainMembers({ members }: Mapping): Record<string, unknown> {
  return Object.fromEntries([...members].map(([key, { value }]) => [key, plain(value)]));
}
