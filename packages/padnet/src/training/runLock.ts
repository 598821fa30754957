import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRunning } from './atomicWrite.js';
import type { RunFolder } from './runFolder.js';

/**
 * Keeps the run for this process until disposed, among those of this machine that ask: a file beside its folder has the
 * process's number. What a process that is gone has left does not count.
 *
 * @returns null where another process has it
 */
export function lockRun({ path }: RunFolder): Disposable | null {
  const file = `${path}.lock`;
  mkdirSync(dirname(file), { recursive: true });
  if (!create(file)) {
    if (isRunning(Number(readFileSync(file, 'utf8')))) return null;
    rmSync(file, { force: true });
    if (!create(file)) return null;
  }
  return {
    [Symbol.dispose]: () => {
      rmSync(file, { force: true });
    },
  };
}

function create(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
