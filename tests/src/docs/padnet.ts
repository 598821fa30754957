/** `padnet`, as the documentation's commands find it: the same program, told to be quick. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tinyCommand } from './tinyCommand.js';

const program = fileURLToPath(new URL('../../../packages/padnet/bin/padnet.js', import.meta.url));
const child = spawn(process.execPath, [program, ...tinyCommand(process.argv.slice(2))], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('close', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 130);
});
