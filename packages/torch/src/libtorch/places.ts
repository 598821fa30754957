/** Where a libtorch may lie, in the order in which it is looked for. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export interface Place {
  /** What it is, for people: `LIBTORCH`, `the system` … */
  readonly name: string;
  /** Folder of an unpacked libtorch; null where there is none, and `missing` says what was looked for. */
  readonly folder: string | null;
  readonly missing?: string;
}

/** The folder of what `padnet setup` installs: `$XDG_DATA_HOME/padnet`, else ~/.local/share/padnet. */
export function installFolder(): string {
  const given = process.env.XDG_DATA_HOME?.trim() ?? '';
  return join(given === '' ? join(homedir(), '.local', 'share') : given, 'padnet');
}

/** The virtual environment of Python that `padnet setup` installs torch into. */
export function environmentFolder(): string {
  return join(installFolder(), 'python');
}

const systemFolders =
  process.platform === 'darwin'
    ? ['/opt/homebrew', '/opt/homebrew/opt/pytorch', '/usr/local']
    : ['/usr', '/usr/local', '/opt/libtorch'];

/** @param builtWith folders of libraries that builds were made with on this machine */
export function* places(builtWith: readonly string[]): Generator<Place> {
  const given = process.env.LIBTORCH?.trim() ?? '';
  if (given !== '') {
    yield { name: `LIBTORCH=${given}`, folder: given };
    return; // who names one wants no other
  }
  for (const folder of builtWith) yield { name: 'built with', folder };
  for (const folder of ownTorches()) yield { name: 'padnet setup', folder };
  for (const folder of systemFolders) yield { name: folder, folder };
  for (const python of pythons()) yield torchOf(python);
}

/** What `padnet setup` has installed: found by its name, so that no Python has to be started. */
function ownTorches(): string[] {
  const lib = join(environmentFolder(), 'lib');
  if (!existsSync(lib)) return [];
  const folders = readdirSync(lib).map((name) => join(lib, name, 'site-packages', 'torch'));
  return folders.filter((folder) => existsSync(folder));
}

/** Pythons: those of virtual environments in use, and the first of the PATH. */
function pythons(): string[] {
  const environments = [process.env.VIRTUAL_ENV ?? '', process.env.CONDA_PREFIX ?? ''];
  const inFolder = (folder: string): string => join(folder, 'python3');
  const has = (folder: string): boolean => folder !== '' && existsSync(inFolder(folder));
  const first = (process.env.PATH ?? '').split(delimiter).find(has);
  const folders = [...environments.filter((folder) => folder !== '').map((folder) => join(folder, 'bin')), first ?? ''];
  return [...new Set(folders.filter(has).map(inFolder))];
}

/** The folder of a Python's torch, which Python finds without importing it. */
function torchOf(python: string): Place {
  const program = 'import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s and s.origin else "")';
  try {
    const found = execFileSync(python, ['-c', program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 20_000,
      cwd: '/', // a folder `torch` of the working folder is another
    });
    const origin = found.trim();
    if (origin !== '') return { name: `torch of ${python}`, folder: dirname(origin) };
    return { name: python, folder: null, missing: 'it has no torch' };
  } catch {
    return { name: python, folder: null, missing: 'it could not be run' };
  }
}
