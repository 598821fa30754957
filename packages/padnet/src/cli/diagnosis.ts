/** The checks of `padnet doctor`, one a subject. Each stands alone: a machine without libtorch gets the others. */
import { getNumThreads, libtorchVersion } from '@padnet/torch';
import { chosenLibtorch, resolveLibtorch } from '@padnet/torch/libtorch';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { callMicroseconds, matmulGigaflops, targetMicroseconds, threadSpeedUp } from '../analysis/machineSpeed.js';
import { availableMemory } from '../memory.js';
import { FASHION_MNIST_PATH, loadFashionMnist } from '../data/fashionMnist.js';
import { reasonOf } from '../errors.js';
import { formatBytes } from '../report/format.js';

/** The outcome of a check. */
interface Outcome {
  /** `fail`: padnet does not work; `warn`: something is slow or missing. @default 'ok' */
  readonly level?: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** Advice; told where the level is not `ok`. */
  readonly fix?: string;
  /** Measurements, for machines. */
  readonly values: Readonly<Record<string, number | string | null>>;
}

export type Finding = Required<Omit<Outcome, 'fix'>> & { readonly subject: Subject; readonly fix: string | null };

/** Below this, a core does not use its vector units: reference BLAS has 1 to 2. */
const slowGigaflops = 10;

/** Bytes that the smallest and the published networks of the recipes need, roughly. */
const scarceMemory = 0.5e9;
const comfortableMemory = 2e9;

/** Debian's Python, which `python3-torch` belongs to. */
export const systemPython = '/usr/bin/python3';

const checks = {
  node: () => {
    const { node: version } = process.versions;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const current = major > 20 || (major === 20 && minor >= 19);
    return {
      level: current ? 'ok' : 'fail',
      found: `Node ${version}`,
      fix: 'install Node 20.19 or later',
      values: { version },
    };
  },
  // Needed to build the addon, not to run it.
  compiler: () => {
    const compiler = firstLine('c++', '--version');
    const cmake = firstLine('cmake', '--version');
    const missing = [compiler === null && 'g++', cmake === null && 'cmake'].filter((name) => name !== false);
    const isSpared = missing.length > 0 && !('tried' in resolveLibtorch());
    const found = [compiler ?? 'no C++ compiler', cmake ?? 'no CMake'].join('; ');
    return {
      level: missing.length === 0 || isSpared ? 'ok' : 'warn',
      found: isSpared ? `${found}; not needed: the addon is built` : found,
      fix: `to build the addon: apt-get install ${missing.join(' ')}`,
      values: { compiler, cmake },
    };
  },
  libtorch: () => {
    try {
      const { version } = libtorchVersion();
      const { libtorch, build, place } = chosenLibtorch();
      const file = loadedLibrary(/\/libtorch_cpu[^/]*$/) ?? libtorch.file;
      return {
        found: `libtorch ${version} in ${file} (${place}); build for ${build.version}: ${build.origin}`,
        values: { version, file, place, build: build.folder, builtFor: build.version },
      };
    } catch (error) {
      return {
        level: 'fail',
        found: reasonOf(error),
        fix: '`npx padnet setup` says what to install, and does it',
        values: { version: null, file: null, place: null, build: null, builtFor: null },
      };
    }
  },
  blas: () => {
    const gigaflops = matmulGigaflops();
    const gigaflopsPerCore = gigaflops / availableParallelism();
    const file = loadedLibrary(/\/lib(openblas|blas|mkl|blis)[^/]*$/);
    const speed = `${gigaflops.toFixed(0)} GF/s in a 1024³ float32 product, ${gigaflopsPerCore.toFixed(0)} a core`;
    return {
      level: gigaflopsPerCore < slowGigaflops ? 'warn' : 'ok',
      found: file === null ? speed : `${speed}, ${file}`,
      fix: 'this is as slow as reference BLAS: apt-get install libopenblas0-pthread (or the machine is busy)',
      values: { gigaflops, gigaflopsPerCore, file },
    };
  },
  threads: () => {
    const cores = availableParallelism();
    const threads = getNumThreads();
    const speedUp = threads > 1 ? threadSpeedUp(threads) : 1;
    const idle = threads < cores;
    const helpless = threads > 1 && speedUp < 1 + 0.4 * (Math.min(threads, 4) - 1);
    return {
      level: idle || helpless ? 'warn' : 'ok',
      found: `${threads} threads on ${cores} cores, a convolution ${speedUp.toFixed(2)} times as fast as with one`,
      fix: idle
        ? `not all cores are used: unset OMP_NUM_THREADS (${process.env.OMP_NUM_THREADS ?? 'not set'})`
        : 'the threads hardly help: other programs use the cores, or they are shares of one',
      values: { threads, cores, speedUp },
    };
  },
  dispatcher: () => {
    const microseconds = callMicroseconds();
    return {
      level: microseconds > targetMicroseconds ? 'warn' : 'ok',
      found: `${microseconds.toFixed(1)} µs for a call of an operator (target: at most ${targetMicroseconds})`,
      fix: 'a slow or busy machine: small networks train slower than they could',
      values: { callMicroseconds: microseconds, targetMicroseconds },
    };
  },
  memory: () => {
    const available = availableMemory();
    return {
      level: available < scarceMemory ? 'fail' : available < comfortableMemory ? 'warn' : 'ok',
      found: `${formatBytes(available)} available`,
      fix: 'end other programs, or train with a smaller data.batchSize or model.width',
      values: { availableBytes: available },
    };
  },
  data: (path) => {
    if (!existsSync(path)) {
      const fix = 'apt-get install dataset-fashion-mnist, or set data.path to a folder with its four files';
      return { level: 'warn', found: `no Fashion-MNIST in ${path}`, fix, values: { path: null } };
    }
    try {
      const { train, test } = loadFashionMnist({ path });
      const found = `Fashion-MNIST in ${path}: ${train.length} + ${test.length} pictures, checksums right`;
      return { found, values: { path, train: train.length, test: test.length } };
    } catch (error) {
      const fix = 'apt-get install --reinstall dataset-fashion-mnist';
      return { level: 'fail', found: reasonOf(error), fix, values: { path } };
    }
  },
  python: () => {
    const version = pythonVersion(systemPython, 'torch');
    return {
      level: version === null ? 'warn' : 'ok',
      found:
        version === null
          ? `${systemPython} has no torch`
          : `torch ${version} in ${systemPython}, to compare with by \`npm run bench -- step\``,
      fix: 'only to compare with, by `npm run bench -- step`: apt-get install python3-torch',
      values: { version },
    };
  },
} satisfies Record<string, (dataPath: string) => Outcome>;

type Subject = keyof typeof checks;

/** Checks that need libtorch. */
const onLibtorch: ReadonlySet<Subject> = new Set(['blas', 'threads', 'dispatcher']);

/** Whether this is a checkout of the repository, with its benchmarks. */
function isCheckout(): boolean {
  return existsSync(new URL('../../../../benchmarks', import.meta.url));
}

/** @param dataPath folder of Fashion-MNIST */
export function* diagnose(dataPath: string = FASHION_MNIST_PATH): Generator<Finding> {
  let hasLibtorch = true;
  for (const subject of Object.keys(checks) as Subject[]) {
    if (onLibtorch.has(subject) && !hasLibtorch) continue;
    if (subject === 'python' && !isCheckout()) continue;
    const { level = 'ok', found, fix, values }: Outcome = checks[subject](dataPath);
    if (subject === 'libtorch') hasLibtorch = level === 'ok';
    yield { level, subject, found, fix: level === 'ok' ? null : (fix ?? null), values };
  }
}

/** Path of a shared library of this process; null where there is none, or the system does not tell. */
function loadedLibrary(name: RegExp): string | null {
  if (!existsSync('/proc/self/maps')) return null;
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.slice(line.indexOf('/')));
  return paths.find((path) => name.test(path)) ?? null;
}

function firstLine(command: string, ...parameters: string[]): string | null {
  try {
    const output = execFileSync(command, parameters, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    });
    return output.split('\n')[0]!.trim();
  } catch {
    return null; // not installed
  }
}

/** The version of a Python's torch or torchvision; null where it has none. */
export function pythonVersion(python: string, module: 'torch' | 'torchvision'): string | null {
  return firstLine(python, '-c', `import ${module}; print(${module}.__version__)`);
}
