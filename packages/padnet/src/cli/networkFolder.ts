/** Folders that `padnet convert` writes: a network as a whole, or in place of one that padnet has written. */
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { readBeginning } from '../outputFile.js';
import { maxSettingsBytes, readRegularText } from '../readRegularFile.js';
import { removeLeftovers } from '../training/atomicWrite.js';
import { holdFolder, isModelFile, RunFolder } from '../training/index.js';

/** Where one of them is, there is a network. They come last and go first. */
const marks = ['model.json', 'config.json'];

const MASKS = basename(new RunFolder('').partition);

function isNetworkFile(name: string): boolean {
  return isModelFile(name) || marks.includes(name) || name === MASKS;
}

/**
 * Checks that a network can be written here; changes nothing.
 *
 * @param source what it is made from
 * @throws InputError where the folder is that of a run or of the source, has a network and is not forced, or has a file of
 *   somebody else's by a name that is needed
 */
export function checkNetworkFolder(out: string, source: string, force: boolean): void {
  if (existsSync(new RunFolder(out).recipe)) throw new InputError(`${out} is a training run; choose another folder`);
  const above = new RunFolder(dirname(out));
  if (existsSync(above.recipe) && above.owns(out))
    throw new InputError(`${out} belongs to the run in ${above.path}; choose another folder`);
  if (existsSync(out) && existsSync(source) && realpathSync(out) === realpathSync(source))
    throw new InputError(`${out} is what is converted, and stays; choose another folder`);
  const taken = existsSync(out) ? readdirSync(out).filter(isNetworkFile) : [];
  if (taken.length === 0) return;
  const foreign = isOurs(out) ? taken.find((name) => !lstatSync(join(out, name)).isFile()) : taken[0];
  if (foreign !== undefined)
    throw new InputError(`${join(out, foreign)} is no file that padnet has written; choose another folder`);
  if (!force)
    throw new InputError(`${out} has a network already, ${taken[0]!}; --force replaces it, or choose another folder`);
}

/** Whether padnet has written the network in a folder. */
function isOurs(folder: string): boolean {
  try {
    if (!existsSync(join(folder, 'model.json')))
      return readBeginning(join(folder, 'model.safetensors')).includes('"generator":"padnet"');
    const { format } = JSON.parse(
      readRegularText(join(folder, 'model.json'), {
        expected: 'the description of a network',
        maxBytes: maxSettingsBytes,
      }),
    ) as { format?: unknown };
    return format === 'padnet-model-1';
  } catch {
    return false;
  }
}

/**
 * Has a network written beside its place, and put there once it is whole: whatever fails before, what was there stays.
 *
 * @param write writes the network to the folder that it is given, and may look at it
 * @throws as `checkNetworkFolder` and `holdFolder`
 */
export async function writeNetworkFolder<T>(
  out: string,
  { source, force }: { readonly source: string; readonly force: boolean },
  write: (folder: string) => Promise<T>,
): Promise<T> {
  checkNetworkFolder(out, source, force);
  using _hold = await holdFolder(out);
  removeLeftovers(out);
  checkNetworkFolder(out, source, force); // another process may have been quicker
  const staging = join(out, `.padnet-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  try {
    const result = await write(staging);
    const written = readdirSync(staging);
    for (const name of [...marks, ...readdirSync(out)])
      if (isNetworkFile(name)) rmSync(join(out, name), { force: true });
    const inOrder = [
      ...written.filter((name) => !marks.includes(name)),
      ...written.filter((name) => marks.includes(name)),
    ];
    for (const name of inOrder) renameSync(join(staging, name), join(out, name));
    return result;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
