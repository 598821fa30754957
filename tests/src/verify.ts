/**
 * `npm run verify [-- --json]`: the largest error of every case of the oracle; exits 1 where one is beyond its bound.
 * `FIXTURES=folder npm run verify` reads other files of the same generator; what is not there is named and passed over.
 */
import { verifyAll } from './oracle/index.js';

const { comparisons, missing } = await verifyAll();
const worst = new Map<string, (typeof comparisons)[number]>();
for (const comparison of comparisons) {
  const key = `${comparison.file} ${comparison.case} ${comparison.dtype}`;
  const before = worst.get(key);
  const excess = (c: typeof comparison): number => (c.bound === 0 ? (c.error > 0 ? Infinity : 0) : c.error / c.bound);
  if (!before || excess(comparison) > excess(before)) worst.set(key, comparison);
}
const failed = comparisons.filter(({ error, bound }) => !(error <= bound));
const passed = failed.length === 0 && comparisons.length > 0;
if (process.argv.includes('--json')) {
  console.log(
    JSON.stringify({ passed, comparisons: comparisons.length, missing, cases: [...worst.values()], failed }, null, 2),
  );
} else {
  for (const { file, case: name, dtype, quantity, error, bound } of worst.values()) {
    const verdict = error <= bound ? 'ok  ' : 'FAIL';
    console.log(`${verdict} ${error.toExponential(1)} (≤ ${bound}) ${file} ${name} ${dtype}: ${quantity}`);
  }
  for (const file of missing) console.log(`not there, so not compared: ${file}`);
  console.log(`${comparisons.length - failed.length} of ${comparisons.length} comparisons within their bounds`);
}
process.exitCode = passed ? 0 : 1;
