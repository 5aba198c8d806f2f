// Asks the registry about known weaknesses of what Medic ships: fails on high and critical ones.
// A registry that has no audit endpoint, or does not answer in time, is no reason to fail; it is told in capitals.
// Usage: node .ci/audit.mjs [SECONDS]
import { spawnSync } from 'node:child_process';

const seconds = Number(process.argv[2] ?? 60);
const audit = spawnSync('npm', ['audit', '--omit=dev', '--json', '--fetch-retries=0'], {
  encoding: 'utf8',
  timeout: seconds * 1000,
  killSignal: 'SIGKILL',
  maxBuffer: 64 * 1024 * 1024,
});
const report = parse(audit.stdout);
const counts = report?.metadata?.vulnerabilities;

if (counts === undefined) {
  const why = audit.error?.code === 'ETIMEDOUT' ? `no answer within ${seconds} s` : report?.message;
  say(`!!! DEPENDENCIES WERE NOT AUDITED: the registry does not say (${why ?? 'no report'}) !!!`);
} else {
  say(
    `audit: ${counts.critical} critical, ${counts.high} high, ${counts.moderate} moderate, ${counts.low} low`,
  );
  const grave = Object.values(report.vulnerabilities).filter(({ severity }) =>
    /^(high|critical)$/.test(severity),
  );
  for (const { name, severity, range, via } of grave) {
    const titles = via.map((one) => (typeof one === 'string' ? `by ${one}` : `${one.title} (${one.url})`));
    say(`${severity}: ${name} ${range}: ${titles.join('; ')}`);
  }
  if (counts.critical + counts.high > 0) process.exitCode = 1;
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
