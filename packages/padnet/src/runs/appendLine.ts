/** Lines that are added to a file of a run, and what a killed process leaves half-written. */
import { appendFileSync, closeSync, constants, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { notWritten } from '../outputFile.js';
import { allowChangesText } from './changes.js';

/**
 * Adds a line to a file that is there; after a crash or on a full disk the last line may be cut off.
 *
 * @throws as `writeFileAtomic`, and InputError where somebody has deleted the file: what it had cannot be written again
 */
export function appendLine(file: string, line: string): void {
  try {
    const descriptor = openSync(file, constants.O_WRONLY | constants.O_APPEND);
    try {
      appendFileSync(descriptor, `${line}\n`);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new InputError(
        `${file} has been deleted while the run was trained, which has stopped; ` +
          `put it back, or go on without it by ${allowChangesText}`,
        { cause: error },
      );
    }
    throw notWritten(file, error);
  }
}

/** Removes what processes that were killed while they wrote have left in a folder that this one holds. */
export function removeLeftovers(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (isLeftover(name)) rmSync(join(folder, name), { recursive: true, force: true }); // also a network's folder
}

/** Whether a file of this name is one that was not written to its end. */
export function isLeftover(name: string): boolean {
  return /^\.padnet-\d+-[0-9a-f]+\.tmp$/.test(name);
}
