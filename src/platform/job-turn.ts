/**
 * One at a time. The runner's workers look for a job in turn, so that each of them sees which lanes the others have
 * filled; all at once they would take any number of jobs of one lane.
 *
 * And few of them look at all: one that found nothing lets nobody else look, unless somebody asked meanwhile, so that
 * a thousand idle workers cost what one does. Whoever finds a job wakes the next.
 */
export class Turn {
  #taken = false;
  #asked = false;
  #open = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the caller may look for a job. */
  take(): Promise<void> {
    if (this.#taken && !this.#open) {
      this.#asked = true;
      return new Promise((resolve) => void this.#waiting.push(resolve));
    }
    this.#taken = true;
    return Promise.resolve();
  }

  /** Whoever looked has found a job: there may be more. */
  found(): void {
    this.#pass();
  }

  /** Whoever looked has found nothing. Who asked while it looked may know of a job that it could not see yet. */
  foundNothing(): void {
    if (this.#asked) this.#pass();
    else this.#taken = false;
  }

  /** At the end: lets everyone go on. */
  open(): void {
    this.#open = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #pass(): void {
    this.#asked = false;
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}
