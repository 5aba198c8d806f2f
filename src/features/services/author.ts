/** Who makes a change: the proven identity, and its own annotation (spec 05 section 10). */
export interface Author {
  actor: string;
  note: string | null;
}

/** By whom and when something is done. */
export interface Deed {
  by: Author;
  at: Date;
}
