/** The key of `Authorization: Bearer <key>` (RFC 6750), the scheme in any case; undefined: there is none. */
export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^bearer[ \t]+(\S+)$/i.exec(header)?.[1];
}
