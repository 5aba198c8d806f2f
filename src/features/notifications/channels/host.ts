/** What may be shown of an address that a caller chose: path, query and user information may be credentials. */
export function hostIn(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'unknown host';
}
