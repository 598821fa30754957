/** Writing the files of a run: whole or not at all, with errors that say which file and why. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '@padnet/torch/files';
import { InputError, reasonOf } from '../errors.js';

/**
 * Replaces a file, and makes its folder: at any instant, also of a crash or a full disk, either the old or the new one is
 * there.
 *
 * @throws Error in one line with the file's name and what the system says
 */
export function writeFileAtomic(file: string, data: string | Uint8Array): void {
  explain(file, () => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileAtomically(file, (write) => {
      write(typeof data === 'string' ? Buffer.from(data) : data);
    });
  });
}

/** Adds a line to a file; after a crash or on a full disk the last line may be cut off. @throws as `writeFileAtomic` */
export function appendLine(file: string, line: string): void {
  explain(file, () => {
    appendFileSync(file, `${line}\n`);
  });
}

/** Removes what processes that were killed while they wrote have left in a folder. Those of running ones stay. */
export function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const writer = leftoverWriter(name);
    if (writer !== null && !isRunning(writer)) rmSync(join(folder, name), { force: true });
  }
}

/** The process that a temporary file of `writeFileAtomic` belongs to; null for any other file. */
export function leftoverWriter(name: string): number | null {
  const [, writer] = /^\.padnet-(\d+)-[0-9a-f]+\.tmp$/.exec(name) ?? [];
  return writer === undefined ? null : Number(writer);
}

/** Whether another process has this number; our own may be that of one that was killed, in a container. */
export function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function explain(file: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new InputError(`${file} could not be written: ${reasonOf(error)}; what was there before is kept`, {
      cause: error,
    });
  }
}
