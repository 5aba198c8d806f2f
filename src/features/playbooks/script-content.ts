import type { PlaceOf, Problem } from './document/findings.ts';
import { secretsIn } from './document/references.ts';

/** What its author should look at in the content of a script, once it is known which of its secrets exist. */
export interface ContentProblems {
  secrets: string[];
  problems(known: ReadonlySet<string>): Problem[];
}

/** Python reads variables from its environment, so that `${…}` in it means nothing (spec 06 section 7, rule 5). */
export function problemsOf({
  content,
  interpreter,
}: {
  content: string;
  interpreter: string;
}): ContentProblems {
  const placeOf = places(content);
  if (interpreter === 'python') {
    const at = content.indexOf('$' + '{');
    if (at === -1 || !content.includes('}', at)) return { secrets: [], problems: () => [] };
    const message =
      'nothing is replaced in python: values are read from the environment, as MEDIC_VAR_<name>';
    return { secrets: [], problems: () => [{ ...placeOf(at), path: 'content', message }] };
  }
  const used = new Map<string, number>();
  for (const { name, at } of secretsIn(content)) if (!used.has(name)) used.set(name, at);
  return {
    secrets: [...used.keys()],
    problems: (known) =>
      [...used]
        .filter(([name]) => !known.has(name))
        .map(([name, at]) => ({
          ...placeOf(at),
          path: 'content',
          message: `names a secret that does not exist: ${name}`,
        })),
  };
}

/** For places that are asked for in their order. */
function places(content: string): PlaceOf {
  let line = 1;
  let start = 0;
  return (at) => {
    for (let end = content.indexOf('\n', start); end !== -1 && end < at; end = content.indexOf('\n', start)) {
      line += 1;
      start = end + 1;
    }
    return { line, column: at - start + 1 };
  };
}
