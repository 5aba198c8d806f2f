/** Variables are recognised by their name, so that nobody has to think of a new one. */
const CREDENTIAL = /(^|_)(KEY|TOKEN|SECRET|PASS|PASSWORD)(_|$)/;
const ADDRESS = /_URL$/;
const CREDENTIAL_PARAMETER = /key|token|secret|pass/i;

/** The credentials among the settings, passwords inside of addresses included: what no log may show (G9). */
export function credentialsIn(settings: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    if (typeof value !== 'string') return [];
    if (CREDENTIAL.test(name)) return [value];
    return ADDRESS.test(name) ? passwordsIn(value) : [];
  });
}

/** As written and decoded. Read by hand: `postgres://me:pw@/db?host=/run` is valid there, and no URL to others. */
function passwordsIn(address: string): string[] {
  const [, authority = '', rest = ''] = /^[^/]*\/\/([^/?#]*)(.*)$/s.exec(address) ?? [];
  const user = authority.slice(0, Math.max(0, authority.lastIndexOf('@')));
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(user) ?? [];
  const query = new URLSearchParams(rest.slice(rest.indexOf('?') + 1));
  const parameters = [...query].filter(([name]) => CREDENTIAL_PARAMETER.test(name)).map(([, value]) => value);
  return [password, decoded(password), ...parameters].filter((text) => text !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
