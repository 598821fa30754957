/**
 * Why training could not go on where a number was not finite: kept in the folder of a run that was one of several
 * tries, so that it is not trained again only to come to the same.
 */
import { z } from 'zod';
import { readJson } from '../jsonFile.js';
import { writeFileAtomic } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { holdFolder } from './folderLock.js';
import type { RunFolder } from './runFolder.js';

const schema = z.strictObject({ message: z.string() });

/** @throws FolderHeldError where another process has the run */
export async function writeDivergence({ path, divergence }: RunFolder, message: string): Promise<void> {
  using _hold = await holdFolder(path);
  writeFileAtomic(divergence, `${JSON.stringify({ message })}\n`);
}

/** Null: it has not diverged. @throws InputError where the file is damaged */
export function readDivergence({ divergence }: RunFolder): string | null {
  if (!isThere(divergence)) return null;
  return readJson(divergence, schema, { expected: 'why a run diverged', wayOut: 'delete it, and the run goes on' })
    .message;
}
