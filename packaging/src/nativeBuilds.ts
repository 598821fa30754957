/** Native builds as packages carry them: a folder for each libtorch, without the folders of this machine. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

const nativePackages = ['torch', 'padnet'] as const;

/** Adds what `make build` has built to `folder`, as `<minor version of its libtorch>/`. */
export function addCheckoutBuild(folder: string): void {
  const works = nativePackages.map((name) => join(repository, 'packages', name, 'build'));
  for (const work of works) {
    if (!existsSync(join(work, 'cmake_install.cmake')))
      throw new Error(`${work} is no build: run \`make build\` first`);
  }
  install(works, folder);
}

/** Compiles against a libtorch, an unpacked release or a Python's `torch` folder, and adds that to `folder`. */
export function addBuildFor(libtorch: string, folder: string): void {
  const work = mkdtempSync(join(tmpdir(), 'padnet-package-'));
  try {
    const works = nativePackages.map((name) => {
      const source = join(repository, 'packages', name, 'native');
      const build = join(work, name);
      run('cmake', ['-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=Release', `-DLIBTORCH=${libtorch}`]);
      run('cmake', ['--build', build, '--parallel', String(availableParallelism())]);
      return build;
    });
    install(works, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Adds the builds of a folder that `npm run package -- --builds-only` wrote, on this machine or another. */
export function addFinishedBuilds(from: string, folder: string): void {
  const names = readdirSync(from).filter((name) => existsSync(join(from, name, 'libtorch.json')));
  if (names.length === 0) throw new Error(`${from} has no builds: expected folders with a libtorch.json`);
  for (const name of names) cpSync(join(from, name), join(folder, name), { recursive: true });
}

/** `cmake --install` leaves out the folders to look for libraries in; `--strip` what only debuggers read. */
function install(works: readonly string[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  const unnamed = mkdtempSync(join(folder, 'new-'));
  for (const work of works) run('cmake', ['--install', work, '--prefix', unnamed, '--strip']);
  const { version } = JSON.parse(readFileSync(join(unnamed, 'libtorch.json'), 'utf8')) as { version: string };
  const named = join(folder, version);
  rmSync(named, { recursive: true, force: true });
  renameSync(unnamed, named);
}

/** Runs a program; what it prints is shown where it fails. */
export function run(program: string, parameters: readonly string[], cwd: string = repository): string {
  return execFileSync(program, parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
