/** Folders that `padnet convert` writes: a network as a whole, or in place of one that padnet has written. */
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { readBeginning } from '../outputFile.js';
import { removeLeftovers } from '../runs/appendLine.js';
import { filesOfModel, holdFolder, isModelFile, RunFolder } from '../runs/index.js';

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
 * @throws InputError where the folder is that of a run or of the source, has a network and is not forced, or has a file
 * of
 *   somebody else's by a name that a network may need
 */
export function checkNetworkFolder(out: string, source: string, force: boolean): void {
  if (isThere(new RunFolder(out).recipe)) throw new InputError(`${out} is a training run; choose another folder`);
  const above = new RunFolder(dirname(out));
  if (isThere(above.recipe) && above.owns(out))
    throw new InputError(`${out} belongs to the run in ${above.path}; choose another folder`);
  if (existsSync(out) && existsSync(source)) {
    const place = realpathSync(source);
    if ([place, dirname(place)].includes(realpathSync(out)))
      throw new InputError(`${source} is what is converted, and stays; choose another folder than ${out}`);
  }
  const taken = existsSync(out) ? readdirSync(out).filter(isNetworkFile) : [];
  if (taken.length === 0) return;
  const ours = writtenFiles(out);
  const foreign = taken.find((name) => !ours.includes(name) || !lstatSync(join(out, name)).isFile());
  if (foreign !== undefined)
    throw new InputError(`${join(out, foreign)} is no file that padnet has written; choose another folder`);
  if (!force)
    throw new InputError(`${out} has a network already, ${taken[0]!}; --force replaces it, or choose another folder`);
}

/** Names of the files of the network that padnet has written to a folder; none where it has written none. */
function writtenFiles(folder: string): readonly string[] {
  if (isThere(join(folder, 'model.json'))) return filesOfModel(join(folder, 'model.json'))?.concat(MASKS) ?? [];
  try {
    const [, json = ''] = /"__metadata__":(\{[^}]*\})/.exec(readBeginning(join(folder, 'model.safetensors'))) ?? [];
    const { generator, files } = JSON.parse(json) as Partial<Record<string, string>>;
    return generator === 'padnet' ? ['config.json', 'model.safetensors', ...(files?.split(',') ?? [])] : [];
  } catch {
    return [];
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
