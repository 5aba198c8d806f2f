/**
 * Who may look for a job. The runner's workers look for one in turn, few at once, so that each of them sees which lanes the
 * others have filled; all at once they would take any number of jobs of one lane.
 *
 * One that found nothing lets nobody else look, unless somebody asked meanwhile, so that a thousand idle workers cost
 * what one does. Whoever finds a job wakes the next, and one more.
 */
export class Turn {
  readonly #most: () => number;
  #looking = 0;
  #asked = false;
  #open = false;
  readonly #waiting: (() => void)[] = [];

  /** @param most how many may look at once now */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** How many are looking, the one that asks included. */
  get looking(): number {
    return this.#looking;
  }

  /** Resolves when the caller may look for a job. */
  take(): Promise<void> {
    if (this.#looking < this.#most() || this.#open) {
      this.#looking += 1;
      return Promise.resolve();
    }
    this.#asked = true;
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  /** Whoever looked has found a job: there may be more. */
  found(): void {
    this.#looking -= 1;
    this.#wake();
    this.#wake();
  }

  /** Whoever looked has found nothing. Who asked while it looked may know of a job that it could not see yet. */
  foundNothing(): void {
    this.#looking -= 1;
    if (this.#asked) this.#wake();
  }

  /** At the end: lets everyone go on. */
  open(): void {
    this.#open = true;
    while (this.#waiting.length > 0) this.#wake();
  }

  #wake(): void {
    if (this.#looking >= this.#most() && !this.#open) return;
    this.#asked = false;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#looking += 1;
    next();
  }
}
