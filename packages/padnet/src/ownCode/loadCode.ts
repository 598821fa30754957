/**
 * Runs a file of one's own, TypeScript or JavaScript, and gives what it exports as default. Node 20 runs no TypeScript,
 * so that jiti translates it (types are dropped, not checked). `padnet` and `@padnet/torch` are those that run it,
 * wherever the file lies: a router must be of the very `nn.Module` that the network is of.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as torch from '@padnet/torch';
import { createJiti } from 'jiti';
import { InputError, reasonOf } from '../errors.js';
import { formatCodeReference, parseCodeReference } from './codeReference.js';

export interface CodeOptions {
  /**
   * Whether files of one's own that a recipe or a run names may be run: they do so with all rights of the user.
   *
   * @default false
   */
  readonly allowCode?: boolean | undefined;
}

export interface LoadedCode {
  /** The default export. */
  readonly exported: unknown;
  /** Absolute. */
  readonly file: string;
  /** The file with the checksum of what was run. */
  readonly reference: string;
}

const require = createRequire(import.meta.url);

/** The modules that this process has loaded by `require`, by file; jiti keeps there what it has run. */
const modules = require.cache;

/** Folders of files that are not the user's code. */
const ownFolders = [fileURLToPath(new URL('..', import.meta.url)), dirname(require.resolve('@padnet/torch')) + sep];

/**
 * @param reference a path, relative to the working folder, or one with a checksum
 * @param key that names it, for messages
 * @throws InputError where code may not be run, there is no such file, it fails, or is not what the checksum is of
 */
export function loadCode(reference: string, key: string, { allowCode = false }: CodeOptions = {}): LoadedCode {
  const { file: path, checksum: expected } = parseCodeReference(reference);
  const file = resolve(path);
  if (!(statSync(file, { throwIfNoEntry: false })?.isFile() ?? false))
    throw new InputError(`${key}: ${file}: there is no such file; expected one with code of your own`);
  if (!allowCode) {
    throw new InputError(
      `${key}: ${file} is code, which runs with all your rights; --allow-code permits it ` +
        '(in a program, allowCode: true)',
    );
  }
  const { exported, checksum } = run(file, key);
  if (expected !== null && checksum !== expected) {
    throw new InputError(
      `${key}: ${file}, or a file that it imports, is not what the run was started with (checksum ${checksum}, ` +
        `then ${expected}); put it back as it was, or train again`,
    );
  }
  return { exported, file, reference: formatCodeReference({ file, checksum }) };
}

/** Afresh: a file that was edited since is read again. */
function run(file: string, key: string): { readonly exported: unknown; readonly checksum: string } {
  const virtualModules = {
    '@padnet/torch': torch,
    /** Loaded whole only for code that imports more than its types. */
    get padnet(): unknown {
      return require('../index.js') as unknown;
    },
  };
  const jiti = createJiti(import.meta.url, { fsCache: false, virtualModules });
  // Its translator, which it loads with the first file.
  jiti.transform({ source: '' });
  const before = new Set(Object.keys(modules));
  try {
    const module = jiti.evalModule(readFileSync(file, 'utf8'), { filename: file, async: false });
    const { default: exported } = module as { readonly default?: unknown };
    return { exported, checksum: checksumOf(file, newModules(before)) };
  } catch (error) {
    throw new InputError(`${key}: ${file}${positionIn(file, error)}: ${whyNot(error)}`, { cause: error });
  } finally {
    for (const each of [file, ...newModules(before)]) Reflect.deleteProperty(modules, each);
  }
}

/** Files of the user's that have been run since, without installed packages. */
function newModules(before: ReadonlySet<string>): string[] {
  const isInstalled = (name: string): boolean =>
    name.split(sep).includes('node_modules') || ownFolders.some((folder) => name.startsWith(folder));
  return Object.keys(modules).filter((name) => !before.has(name) && !isInstalled(name));
}

/** The checksum of the file and those that it imports by path, under their names from its folder. */
function checksumOf(file: string, files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const each of [...new Set([file, ...files])].sort()) {
    const bytes = readFileSync(each);
    hash.update(`${relative(dirname(file), each).split(sep).join('/')}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Such as `:12`, where the error says at which line of the file it arose. */
function positionIn(file: string, error: unknown): string {
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : '';
  const at = text.indexOf(`${file}:`);
  return at === -1 ? '' : (/^:\d+/.exec(text.slice(at + file.length))?.[0] ?? '');
}

function whyNot(error: unknown): string {
  if (error instanceof SyntaxError && error.message.includes('await is only valid'))
    return 'it waits at its top level (await), which is not possible here; load what it needs where it is used';
  // Below the first line a translator draws the code.
  return error instanceof Error && error.message !== '' ? error.message.split('\n')[0]!.trim() : reasonOf(error);
}
