import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Database } from './db.ts';
import { inTime } from './in-time.ts';

/** Sets gauge values from the database at scrape time. */
type Collect = (db: Database) => Promise<void>;

/** Longer than a health check, which is read by a collector too, and shorter than any usual scrape timeout. */
const COLLECT_TIMEOUT_MS = 2_500;

const OPENMETRICS = 'application/openmetrics-text';

/** Counts by label values, in the order of the labels; hashing them for the library each time costs ten times as much. */
export class Tally<Label extends string> {
  readonly #counter: Counter<Label>;
  readonly #labelNames: readonly Label[];
  readonly #counts = new Map<string, { values: readonly string[]; count: number }>();

  constructor(counter: Counter<Label>, labelNames: readonly Label[]) {
    this.#counter = counter;
    this.#labelNames = labelNames;
  }

  add(...values: string[]): void {
    const key = values.join('\0');
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { values, count: 1 });
    else entry.count += 1;
  }

  /** Hands what was counted since the last time to the counter. */
  settle(): void {
    for (const entry of this.#counts.values()) {
      if (entry.count === 0) continue;
      const labels = Object.fromEntries(
        this.#labelNames.map((name, index) => [name, entry.values[index] ?? '']),
      );
      this.#counter.inc(labels as Record<Label, string>, entry.count);
      entry.count = 0;
    }
  }
}

/**
 * The metrics of one process. Counters and histograms are per process; gauges given to `fromDatabase` are
 * read at each scrape, so they are right after a restart and equal on every process (spec 07 section 1).
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #collectors: { names: string[]; collect: Collect }[] = [];
  readonly #tallies: { settle(): void }[] = [];
  readonly #settings: (() => void)[] = [];
  readonly #connectionErrors: Counter<never>;

  constructor() {
    this.#connectionErrors = this.counter('medic_db_connection_errors_total', 'Database failures');
  }

  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  /** A counter for paths that are taken all the time: it counts in a map, which the page is made of. */
  tally<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Tally<Label> {
    const tally = new Tally(this.counter(name, help, labelNames), labelNames);
    this.#tallies.push(tally);
    return tally;
  }

  gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ name, help, buckets, labelNames: [...labelNames], registers: [this.#registry] });
  }

  /** Gauges whose values `collect` sets at scrape time; left out of the page when the database fails. */
  fromDatabase(names: string[], collect: Collect): void {
    this.#collectors.push({ names, collect });
  }

  /** Gauges of this process whose values `set` brings up to date at scrape time. */
  beforeScrape(set: () => void): void {
    this.#settings.push(set);
  }

  connectionFailed(): void {
    this.#connectionErrors.inc();
  }

  /**
   * The page that an `Accept` header asks for: OpenMetrics 1.0, else Prometheus text 0.0.4.
   * A failing or silent database leaves out its gauges and never fails the scrape.
   */
  async expose(accept: string | undefined, db: Database): Promise<{ contentType: string; page: string }> {
    for (const tally of this.#tallies) tally.settle();
    const failed = await Promise.all(this.#collectors.map((collector) => this.#collect(collector, db)));
    for (const set of this.#settings) set();
    const absent = new Set(failed.flat());
    const names = this.#registry.getMetricsAsArray().map((metric) => metric.name);
    const blocks = await Promise.all(
      names.filter((name) => !absent.has(name)).map((name) => this.#registry.getSingleMetricAsString(name)),
    );
    if (accept?.includes(OPENMETRICS) !== true) {
      return { contentType: this.#registry.contentType, page: `${blocks.join('\n\n')}\n` };
    }
    return {
      contentType: `${OPENMETRICS}; version=1.0.0; charset=utf-8`,
      page: `${blocks.map(asOpenMetrics).join('\n')}\n# EOF\n`,
    };
  }

  async #collect(collector: { names: string[]; collect: Collect }, db: Database): Promise<string[]> {
    try {
      await inTime(collector.collect(db), COLLECT_TIMEOUT_MS);
      return [];
    } catch {
      this.connectionFailed();
      return collector.names;
    }
  }
}

/** OpenMetrics names a counter family without `_total`; its samples keep it. All else reads the same. */
function asOpenMetrics(block: string): string {
  return block
    .replace(/^# HELP (\S+)_total /m, '# HELP $1 ')
    .replace(/^# TYPE (\S+)_total counter$/m, '# TYPE $1 counter');
}
