/** Lines that are added to a file of a run, and what a killed process leaves half-written. */
import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { notWritten } from '../outputFile.js';

/** Adds a line to a file; after a crash or on a full disk the last line may be cut off. @throws as `writeFileAtomic` */
export function appendLine(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`);
  } catch (error) {
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
