/** Rows under their headings: columns joined by ` | ` over a rule of `-+-` (spec 08 section 2). */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return 'No results found.';
  const cells = rows.map((row) => row.map(printable));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd();
  return [line(headings), widths.map((width) => '-'.repeat(width)).join('-+-'), ...cells.map(line)].join(
    '\n',
  );
}

/** What others named must not move the cursor or break the line of a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

export function yesNo(flag: unknown): string {
  return flag === true || flag === 1 ? 'Yes' : 'No';
}
