/** Folders that `padnet convert` writes: a network as a whole, or in place of one that padnet has written. */
import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { readBeginning } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { filesOfModel, isModelFile, RunFolder } from '../runs/index.js';
import { writeWhole } from './outputFolder.js';

/** Where one of them is, there is a network. */
const marks = ['model.json', 'config.json'];

const MASKS = basename(new RunFolder('').partition);

function isNetworkFile(name: string): boolean {
  return isModelFile(name) || marks.includes(name) || name === MASKS;
}

/**
 * Checks that a network can be written here; changes nothing.
 *
 * @param source what it is made from
 * @throws InputError where the folder is that of the source or in a run, has a network and is not forced, or has a file
 *   of somebody else's by a name that a network may need
 */
function checkNetworkFolder(out: string, source: string, force: boolean): void {
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
 * Has a network written as a whole.
 *
 * @param write writes the network to the folder that it is given, and may look at it
 * @throws as `checkNetworkFolder` and `writeWhole`
 */
export async function writeNetworkFolder<T>(
  out: string,
  { source, force }: { readonly source: string; readonly force: boolean },
  write: (folder: string) => T | Promise<T>,
): Promise<T> {
  const check = (): void => {
    checkNetworkFolder(out, source, force);
  };
  return await writeWhole(out, { check, marks, replaced: () => readdirSync(out).filter(isNetworkFile) }, write);
}
