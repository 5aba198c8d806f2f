// Prints "N passed, N failed", and ", N skipped" where there are any, from the JSON report of vitest.
// Arguments: the report, and 1 when a step has failed. A failure outside of any test counts as one.
import { readFileSync } from 'node:fs';

const [file, stepFailed] = process.argv.slice(2);
const { passed, failed, skipped } = read(file);
const failures = failed === 0 && stepFailed === '1' ? 1 : failed;
process.stdout.write(`${passed} passed, ${failures} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);

function read(report) {
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const brokenFiles = result.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
    );
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests + brokenFiles.length,
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
