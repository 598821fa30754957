/** Which libtorch is loaded, and which build with it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Build, buildPackage, builds, isBuildGiven } from './builds.js';
import { isFolder, librariesIn, type Libtorch, libtorchesIn, minorOf } from './installed.js';
import { places } from './places.js';

export interface Choice {
  readonly libtorch: Libtorch;
  readonly build: Build;
  /** Where libtorch was found, for people. */
  readonly place: string;
}

/** Everything that was looked at, where nothing was found that fits. */
export interface Nothing {
  /** A sentence each, without a full stop. */
  readonly tried: readonly string[];
  /** Libtorches that a build could be compiled for. */
  readonly libtorches: readonly Libtorch[];
  /** Builds, none of which fits. */
  readonly builds: readonly Build[];
}

/** Looks for a libtorch and a build that fits it; loads nothing. */
export function resolveLibtorch(): Choice | Nothing {
  const all = builds();
  const usable = all.filter((build) => typeof build !== 'string');
  const tried = all.filter((build) => typeof build === 'string');
  const libtorches: Libtorch[] = [];
  // Who names a build wants no other.
  if (isBuildGiven() && usable.length === 0) return { tried, libtorches, builds: [] };
  const builtWith = usable.map((build) => build.builtWith).filter((folder) => folder !== null);
  for (const place of places(builtWith)) {
    const isBuilt = place.folder !== null && builtWith.includes(place.folder);
    const found = place.folder === null ? [] : isBuilt ? librariesIn(place.folder) : libtorchesIn(place.folder);
    if (found.length === 0) tried.push(`${place.name}: ${place.missing ?? whyNone(place.folder!)}`);
    for (const libtorch of found) {
      if (typeof libtorch === 'string') {
        tried.push(libtorch);
        continue;
      }
      const build = usable.find((one) => fits(one, libtorch));
      if (build) return { libtorch, build, place: place.name };
      libtorches.push(libtorch);
      tried.push(misfit(libtorch, usable));
    }
  }
  return { tried: [...new Set(tried)], libtorches, builds: usable };
}

/** Whether the addon's functions are those of this libtorch, and its library has the name that the addon asks for. */
function fits(build: Build, libtorch: Libtorch): boolean {
  return build.version === minorOf(libtorch.version) && build.soname === libtorch.soname;
}

function misfit({ version, file, soname }: Libtorch, usable: readonly Build[]): string {
  const minor = minorOf(version);
  const named = usable.find((build) => build.version === minor);
  if (named) {
    return (
      `libtorch ${version} in ${file} calls itself ${soname ?? 'nothing'}, and the build for ${minor} is for one ` +
      `that calls itself ${named.soname ?? 'nothing'}`
    );
  }
  const versions = versionsOf(usable);
  const there =
    versions.length === 0 ? `${buildPackage()} is not installed` : `there are builds for ${versions.join(', ')}`;
  return `libtorch ${version} in ${file} has no build that fits it: ${there}`;
}

function whyNone(folder: string): string {
  if (!existsSync(folder)) return 'there is no such folder';
  return isFolder(folder) ? 'no libtorch_cpu in it' : 'it is no folder';
}

function versionsOf(usable: readonly Build[]): string[] {
  return [...new Set(usable.map(({ version }) => version))];
}

/** One line: all that was tried, and the ways out. */
export function nothingFits({ tried }: Nothing): string {
  return (
    `no libtorch was found that fits (${tried.join('; ')}): \`npx padnet setup\` says what to install and does it, ` +
    `or set LIBTORCH to an unpacked libtorch, or in a checkout run \`make build\``
  );
}

let chosen: Choice | null = null;

/**
 * The choice of this process.
 *
 * @throws Error in one line where nothing fits
 */
export function chosenLibtorch(): Choice {
  if (chosen) return chosen;
  const found = resolveLibtorch();
  if ('tried' in found) throw new Error(nothingFits(found));
  chosen = found;
  return found;
}

/** What is compiled against libtorch. */
export type NativeFile = 'loader.node' | 'torch.node' | 'libpadnet.so' | 'libdist.so';

/**
 * Absolute path of a compiled file of the build that fits the libtorch of this process.
 *
 * @param ownBuild the build folder of the package that the file belongs to: in a checkout each package has its own
 * @throws Error in one line where no build fits, or it has no such file
 */
export function nativeFile(name: NativeFile, ownBuild = new URL('../../build/', import.meta.url)): string {
  const { build } = chosenLibtorch();
  if (name === 'torch.node') return build.addon;
  const own = fileURLToPath(ownBuild);
  for (const file of [join(build.folder, name), join(own, name)]) if (existsSync(file)) return file;
  throw new Error(
    `there is no ${name} in ${build.folder} (${build.origin}): ` +
      (build.origin === buildPackage() ? `install ${buildPackage()} again` : 'run `make build`, or `npx padnet setup`'),
  );
}
