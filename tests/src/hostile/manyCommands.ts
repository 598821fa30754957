/**
 * Command lines of `padnet` from standard input (JSON), in this one process. Both outputs have a record for each, after
 * a character 1E; standard output ends it with 1F and the exit code.
 */
import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const program = new URL('../../../packages/padnet/dist/cli/main.js', import.meta.url).href;
const { main } = (await import(program)) as { main: () => Promise<void> };

process.setMaxListeners(0);
process.stderr.setMaxListeners(0);
for (const parameters of JSON.parse(await text(process.stdin)) as string[][]) {
  for (const output of [1, 2]) writeSync(output, '\x1e');
  process.argv.splice(2, Infinity, ...parameters);
  await main();
  writeSync(1, `\x1f${process.exitCode ?? 0}`);
}
process.exitCode = 0;
