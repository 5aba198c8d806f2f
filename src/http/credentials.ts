import { parseCookie } from 'cookie';

export const SESSION_COOKIE = 'medic_session';
/** Only scripts of our own pages can send it along with the cookie (spec 05 section 5). */
export const CSRF_HEADER = 'X-Medic-CSRF';

/** The key of `Authorization: Bearer <key>` (RFC 6750), the scheme in any case; undefined: there is none. */
export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^bearer[ \t]+(\S+)$/i.exec(header)?.[1];
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The token in the session cookie; undefined: there is none, or several, of which somebody else set one. */
export function sessionTokenOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if ((header.match(/(?<![^;\s])medic_session\s*=/g) ?? []).length !== 1) return undefined;
  const token = parseCookie(header)[SESSION_COOKIE];
  return token !== undefined && TOKEN.test(token) ? token : undefined;
}

/** Whether a request with the cookie was made by our own pages, or reads only. */
export function isOwnRequest(method: string, csrf: string | string[] | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || (csrf !== undefined && csrf.length > 0);
}
