/** `npm run bench -- step | inference | layer | moe | imp | loader | ops | all`, from the root. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { loadMachineRates } from '../../packages/padnet/dist/compute/index.js';
import { createProgram } from './commands.js';

if (process.env.UV_THREADPOOL_SIZE === undefined) {
  // Pictures are decoded in Node's thread pool, whose size counts only if it is set before a process starts.
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism())) };
  process.exitCode = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' }).status ?? 1;
} else {
  loadMachineRates();
  const program = createProgram();
  await program.parseAsync().catch((error: unknown) => program.error(`bench: ${(error as Error).message}`));
}
