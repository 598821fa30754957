/** What can be done where no libtorch is found that fits: the commands, which `padnet setup` runs. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledFolder, environmentFolder, minorOf, nativeSources, type Nothing } from '@padnet/torch/libtorch';

export const wayNames = ['compile', 'apt', 'pip'] as const;

export interface Way {
  readonly name: (typeof wayNames)[number];
  /** What it does, for people. */
  readonly does: string;
  readonly commands: readonly (readonly string[])[];
}

/** What of a system matters here. */
export interface System {
  /** The release of Debian or Ubuntu, such as `bookworm`; null elsewhere. */
  readonly codename: string | null;
  readonly isRoot: boolean;
  readonly has: (program: string) => boolean;
  /** A Python that can make virtual environments; null where there is none. */
  readonly python: string | null;
}

/**
 * The minor version of libtorch that apt-get installs, by the release of Debian. Ubuntu 25.10 has Debian's 2.6 with
 * another Gloo, and it cannot be loaded there; other releases have too old ones, none, or have not been tried.
 */
const aptVersions: Readonly<Record<string, string>> = {
  bookworm: '1.13',
  trixie: '2.6',
};

/** CPU-only wheels, a tenth of the size of PyPI's; pip takes PyPI's where this cannot be reached. */
const cpuWheels = 'https://download.pytorch.org/whl/cpu';

/** The ways out, the cheapest first. */
export function libtorchWays({ libtorches, builds }: Pick<Nothing, 'libtorches' | 'builds'>, system: System): Way[] {
  const ways: Way[] = [];
  const compilable = libtorches.find(({ root }) => existsSync(join(root, 'include/torch/library.h')));
  if (compilable && system.has('cmake') && system.has('c++')) {
    ways.push({
      name: 'compile',
      does: `compiles for libtorch ${compilable.version} in ${compilable.root}, a few minutes`,
      commands: compileCommands(compilable.root, minorOf(compilable.version)),
    });
  }
  const ofApt = aptVersions[system.codename ?? ''];
  if (ofApt !== undefined && builds.some(({ version, soname }) => version === ofApt && soname?.endsWith(ofApt))) {
    const asRoot = system.isRoot ? [] : system.has('sudo') ? ['sudo'] : null;
    if (asRoot && system.has('apt-get')) {
      // Without the pthread variant of OpenBLAS, matrix products run 50 times slower on reference BLAS.
      const packages = [`libtorch${ofApt}`, 'libopenblas0-pthread'];
      ways.push({
        name: 'apt',
        does: `installs libtorch ${ofApt} of ${system.codename!}`,
        commands: [
          [...asRoot, 'apt-get', 'update'],
          [...asRoot, 'apt-get', 'install', '--yes', '--no-install-recommends', ...packages],
        ],
      });
    }
  }
  const ofPip = builds
    .filter(({ soname }) => soname === null || !/\.so\.\d/.test(soname))
    .map(({ version }) => version);
  const newest = ofPip.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  if (newest !== undefined && system.python !== null) {
    const folder = environmentFolder();
    ways.push({
      name: 'pip',
      does: `installs torch ${newest} of PyPI into ${folder}`,
      commands: [
        [system.python, '-m', 'venv', folder],
        [join(folder, 'bin/python3'), '-m', 'pip', 'install', `torch==${newest}.*`, '--extra-index-url', cpuWheels],
      ],
    });
  }
  return ways;
}

function compileCommands(root: string, version: string): string[][] {
  const target = join(compiledFolder(), version);
  const sources = { torch: nativeSources, padnet: fileURLToPath(new URL('../../native', import.meta.url)) };
  const works = join(target, 'work');
  const commands = Object.entries(sources).flatMap(([name, source]) => {
    const work = join(works, name);
    return [
      ['cmake', '-S', source, '-B', work, '-DCMAKE_BUILD_TYPE=Release', `-DLIBTORCH=${root}`],
      ['cmake', '--build', work, '--parallel', String(availableParallelism())],
      ['cmake', '--install', work, '--prefix', target],
    ];
  });
  return [...commands, ['cmake', '-E', 'rm', '-rf', works]];
}
