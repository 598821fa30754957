/** A libtorch on disk: its libraries and its version, from its files alone. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemErrorText } from '../serialization/systemError.js';
import { readSharedLibrary } from './sharedLibrary.js';

export interface Libtorch {
  /** Such as `1.13.0`. */
  readonly version: string;
  /** The folder that has `include/`, where it has been unpacked whole; such as `/usr`, or the `torch` of a Python. */
  readonly root: string;
  /** Absolute path of libtorch_cpu. */
  readonly file: string;
  /** Absolute path of libc10. */
  readonly c10: string;
  /** Absolute path of libtorch_cuda; null where it computes on the CPU alone. */
  readonly cuda: string | null;
  /** The name that is linked by, such as `libtorch_cpu.so.1.13`; null where the system's libraries have none. */
  readonly soname: string | null;
}

/** Earlier ones lack what the addon calls. */
export const oldestLibtorch = '1.13';

const architecture: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'x86_64', arm64: 'aarch64' };
const extension = process.platform === 'darwin' ? '\\.dylib' : '\\.so';
const isTorchCpu = new RegExp(`^libtorch_cpu${extension}(\\.\\d+)*$`);

/** Folders of libraries below one that was given, or that one itself. */
function libraryFolders(folder: string): string[] {
  const multiarch = `${architecture[process.arch] ?? process.arch}-linux-gnu`;
  return ['lib', join('lib', multiarch), 'lib64', '.'].map((name) => join(folder, name));
}

/**
 * The libtorches in a folder such as that of an unpacked release, the `torch` of a Python's packages, or `/usr`.
 *
 * @returns each as found, or the sentence that says why it cannot be used; none where there is nothing of the name
 */
export function libtorchesIn(folder: string): (Libtorch | string)[] {
  return libraryFolders(folder).flatMap(librariesIn);
}

/** The libtorches whose libraries lie in `directory` itself, each file once. */
export function librariesIn(directory: string): (Libtorch | string)[] {
  if (!isFolder(directory)) return [];
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    return [`${directory} could not be listed: ${systemErrorText(error) ?? String(error)}`];
  }
  const files = names.filter((name) => isTorchCpu.test(name)).map((name) => join(directory, name));
  const distinct = new Map(files.map((file) => [existsSync(file) ? realpathSync(file) : file, file]));
  return [...distinct.values()].map((file) => {
    try {
      return inspect(file);
    } catch (error) {
      return (error as Error).message;
    }
  });
}

/** @throws Error in one sentence, where it cannot be used */
function inspect(file: string): Libtorch {
  const directory = dirname(file);
  const beside = (name: string): string => join(directory, basename(file).replace('libtorch_cpu', name));
  const { soname } = readSharedLibrary(file);
  const c10 = beside('libc10');
  if (!existsSync(c10)) throw new Error(`${file} lacks its libc10: there is no ${c10}`);
  readSharedLibrary(c10);
  const root = rootOf(file);
  const version = versionOf(file, root);
  if (isBefore(minorOf(version), oldestLibtorch)) {
    throw new Error(`libtorch ${version} in ${file} is too old: ${oldestLibtorch} or later is needed`);
  }
  const cuda = beside('libtorch_cuda');
  return { version, root, file, c10, cuda: existsSync(cuda) ? cuda : null, soname };
}

function rootOf(file: string): string {
  const directory = dirname(file);
  return basename(directory).endsWith('-linux-gnu') ? dirname(dirname(directory)) : dirname(directory);
}

/** The version, from the name of the library or from what lies around it. */
function versionOf(file: string, root: string): string {
  const named = /\.so\.(\d+\.\d+[\d.]*)$/.exec(realpathSync(file))?.[1];
  if (named !== undefined) return named;
  const headers = ['include/torch/csrc/api/include/torch/version.h', 'include/torch/headeronly/version.h'];
  for (const name of ['version.py', 'build-version', ...headers]) {
    const found = versionInText(join(root, name));
    if (found !== null) return found;
  }
  throw new Error(
    `the version of ${file} is not known: neither its name says it, nor version.py, build-version or ` +
      `${headers[0]!} in ${root}`,
  );
}

function versionInText(file: string): string | null {
  if (!existsSync(file)) return null;
  const text = readFileSync(file, 'utf8');
  const plain = /^(?:__version__ *(?:: *str *)?= *['"])?(\d+\.\d+\.\d+)/m.exec(text)?.[1];
  if (plain !== undefined) return plain;
  const part = (name: string): string => new RegExp(`define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1] ?? '';
  const macros = ['MAJOR', 'MINOR', 'PATCH'].map(part);
  return macros.includes('') ? null : macros.join('.');
}

/** `2.15.0` → `2.15`, up to which libtorch's functions stay the same. */
export function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

/** Whether a minor version is before another. */
export function isBefore(version: string, other: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

export function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
