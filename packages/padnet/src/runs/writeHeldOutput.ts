import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkOutput, writeOutput, type FileKind } from '../outputFile.js';
import { holdFolder } from './folderLock.js';

/**
 * `writeOutput` while this process holds the folder of the file, so that nothing is put into a run that another one
 * trains. The folders of devices and pipes are nobody's.
 *
 * @throws as both
 */
export async function writeHeldOutput(file: string, data: string | Uint8Array, kind: FileKind): Promise<void> {
  checkOutput(file, kind);
  const found = statSync(file, { throwIfNoEntry: false });
  using _hold = found && !found.isFile() ? null : await holdFolder(dirname(file));
  writeOutput(file, data, kind);
}
