/** `npm run bench --`, as the documentation's commands find it: the same program, told to be quick. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tinyBench } from './tinyCommand.js';

const program = fileURLToPath(new URL('../../../benchmarks/dist/main.js', import.meta.url));
const { status } = spawnSync(process.execPath, [program, ...tinyBench(process.argv.slice(2))], { stdio: 'inherit' });
process.exitCode = status ?? 1;
