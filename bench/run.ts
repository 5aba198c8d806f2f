import { burst } from './burst.ts';
import { detect } from './detect.ts';
import { ingest } from './ingest.ts';
import { keys } from './keys.ts';
import { cleanUp, cleanUpOnSignals, isStopping } from './lib/cleanup.ts';
import { type Outcome, save, table } from './lib/figures.ts';
import { type Options, readOptions } from './lib/options.ts';
import { limits } from './limits.ts';
import { lists } from './lists.ts';
import { ping } from './ping.ts';
import { route } from './route.ts';
import { start } from './start.ts';

const BENCHES: Record<string, (options: Options) => Promise<Outcome>> = {
  ingest,
  limits,
  keys,
  ping,
  burst,
  detect,
  route,
  lists,
  start,
};

cleanUpOnSignals();
try {
  const options = readOptions(process.argv.slice(2));
  const unknown = options.names.filter((name) => !Object.hasOwn(BENCHES, name));
  if (unknown.length > 0) {
    throw new Error(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  }
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (options.names.length > 0 && !options.names.includes(name)) continue;
    process.stdout.write(`${name} …\n`);
    const outcome = await bench(options);
    await cleanUp();
    await save(name, outcome);
    process.stdout.write(table(name, outcome.figures));
  }
} catch (error) {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (!isStopping()) process.stderr.write(`${text}\n`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
