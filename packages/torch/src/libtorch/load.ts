/** Loads libtorch and the addon, in this order: the dynamic linker then takes the libtorch that is there. */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { minorOf } from './installed.js';
import { type Choice, chosenLibtorch, nativeFile } from './resolve.js';

interface Loader {
  /** Why the library cannot be loaded, in the words of the dynamic linker; null where it is loaded, to stay. */
  load(path: string, flags: number): string | null;
}

/** What is known here of the addon's functions. */
export interface Addon {
  buildInfo(): { readonly version: string };
}

const { RTLD_LAZY, RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;

/**
 * The addon's functions, with libtorch loaded.
 *
 * @throws Error in one line
 */
export function loadAddon(): Addon {
  const choice = chosenLibtorch();
  const loader = createRequire(import.meta.url)(nativeFile('loader.node')) as Loader;
  const { c10, file, cuda, version } = choice.libtorch;
  // Not for all to see: its many libraries would stand in for those of the same names that others bring along.
  for (const library of [c10, file]) {
    const refused = loader.load(library, RTLD_LAZY);
    if (refused !== null) throw new Error(`libtorch ${version} could not be loaded: ${linkerReason(refused, library)}`);
  }
  // Where CUDA's own libraries are missing, the CPU is all there is.
  if (cuda !== null) loader.load(cuda, RTLD_NOW | RTLD_GLOBAL);
  const addon = load(choice);
  const loaded = addon.buildInfo().version;
  if (minorOf(loaded) !== choice.build.version) {
    throw new Error(
      `${file} is libtorch ${loaded}, though what lies around it says ${version}: unpack one libtorch into a folder ` +
        'of its own',
    );
  }
  return addon;
}

function load({ build, libtorch }: Choice): Addon {
  const module = { exports: {} };
  try {
    // At once: what is missing is otherwise missed in the middle of a call, which ends the process.
    process.dlopen(module, build.addon, RTLD_NOW);
  } catch (error) {
    const reason = linkerReason(error instanceof Error ? error.message : String(error), build.addon);
    throw new Error(`the addon for libtorch ${build.version} could not be loaded with ${libtorch.file}: ${reason}`, {
      cause: error,
    });
  }
  return module.exports as Addon;
}

/**
 * What the dynamic linker says, as one sentence about `path`, without a full stop.
 *
 * @param said such as `libcudart.so.13: cannot open shared object file: No such file or directory`
 */
export function linkerReason(said: string, path: string): string {
  const missing = /^([^\s:/]+): cannot open shared object file/.exec(said)?.[1];
  if (missing !== undefined) return `it needs ${missing}, which is not installed or not where it looks for it`;
  const [, library, version] = /version [`'](\w+?)_([\d.]+)' not found/.exec(said) ?? [];
  if (library !== undefined && version !== undefined) {
    const needed = { GLIBC: `glibc ${version}`, GLIBCXX: 'a newer libstdc++', CXXABI: 'a newer libstdc++' }[library];
    return `it needs ${needed ?? `${library} ${version}`}, and this system has an older one`;
  }
  if (said.includes('undefined symbol')) {
    return /^lib(torch|c10)/.test(basename(path))
      ? 'a library that it needs is of another version than it was built with'
      : `${basename(path)} was compiled against another libtorch`;
  }
  if (said.includes('cannot open shared object file')) return `${path} could not be opened`;
  if (said.includes('static TLS')) return 'another library has taken the memory that it needs (start it by itself)';
  return `${path} is damaged, or not for this system`;
}
