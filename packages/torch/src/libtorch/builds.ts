/**
 * Builds: folders with the addon (`torch.node`), the operators of padnet (`libpadnet.so`) and what else was compiled
 * against one libtorch. `libtorch.json`, which CMake writes beside them, says which.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installFolder } from './places.js';
import { isFolder } from './installed.js';
import { readSharedLibrary } from './sharedLibrary.js';

export interface Build {
  readonly folder: string;
  /** Where it comes from, for people: `this checkout`, `@padnet/torch-linux-x64` … */
  readonly origin: string;
  /** The minor version of libtorch that it was compiled against, such as `1.13`. */
  readonly version: string;
  /** Folder of the libraries that it was compiled against, where that was on this machine. */
  readonly builtWith: string | null;
  /** The addon. */
  readonly addon: string;
  /** The name of libtorch_cpu that the addon asks for; null where the system's libraries have none. */
  readonly soname: string | null;
}

/** The package of this one's builds for a platform: of this one, if none is named. */
export function buildPackage(platform: string = process.platform, arch: string = process.arch): string {
  return `@padnet/torch-${platform}-${arch}`;
}

/** The C++ sources of this package, for CMake. */
export const nativeSources = fileURLToPath(new URL('../../native', import.meta.url));

/** This package's folder. */
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where `padnet setup` puts what it compiles, of this version of the package. */
export function compiledFolder(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return join(installFolder(), 'builds', `${version}-${process.platform}-${process.arch}`);
}

export function isBuildGiven(): boolean {
  return (process.env.PADNET_TORCH_ADDON?.trim() ?? '') !== '';
}

/**
 * The builds that there are, in the order in which they are tried, or the sentence that says what is wrong with one.
 * PADNET_TORCH_ADDON, the path of a `torch.node`, names the only one.
 */
export function builds(): (Build | string)[] {
  if (isBuildGiven()) {
    const given = process.env.PADNET_TORCH_ADDON!.trim();
    const build = readBuild(dirname(given), `PADNET_TORCH_ADDON=${given}`, given);
    return [build ?? `PADNET_TORCH_ADDON=${given}: there is no libtorch.json beside it, as CMake writes it`];
  }
  const packaged = packageFolder();
  const found = [
    readBuild(join(root, 'build'), 'this checkout'),
    ...(packaged === null ? [] : foldersIn(packaged).map((folder) => readBuild(folder, buildPackage()))),
    ...foldersIn(compiledFolder()).map((folder) => readBuild(folder, 'padnet setup')),
  ];
  return found.filter((build) => build !== null);
}

function packageFolder(): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${buildPackage()}/package.json`));
  } catch {
    return null; // not installed
  }
}

function foldersIn(folder: string): string[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isFolder);
}

function readBuild(folder: string, origin: string, addon = join(folder, 'torch.node')): Build | string | null {
  const file = join(folder, 'libtorch.json');
  if (!existsSync(file)) return null;
  try {
    const { version, directory = null } = JSON.parse(readFileSync(file, 'utf8')) as {
      version: string;
      directory?: string;
    };
    const { needed } = readSharedLibrary(addon);
    const soname = needed.find((name) => name.startsWith('libtorch_cpu.')) ?? null;
    return { folder, origin, version, builtWith: directory, addon, soname };
  } catch (error) {
    return `the build of ${origin} cannot be used: ${(error as Error).message}`;
  }
}
