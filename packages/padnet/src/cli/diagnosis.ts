/** What `padnet doctor` looks at, one finding a subject. Each check stands alone: a machine without libtorch gets the others. */
import { getNumThreads, libtorchVersion } from '@padnet/torch';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { callMicroseconds, matmulGigaflops, targetMicroseconds, threadSpeedUp } from '../analysis/machineSpeed.js';
import { availableMemory } from '../memory.js';
import { FASHION_MNIST_PATH, loadFashionMnist } from '../data/fashionMnist.js';
import { reasonOf } from '../errors.js';
import { formatBytes } from '../report/format.js';

export interface Finding {
  /** `fail`: padnet does not work; `warn`: something is slow or missing. */
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: 'node' | 'compiler' | 'libtorch' | 'blas' | 'threads' | 'dispatcher' | 'memory' | 'data' | 'python';
  readonly found: string;
  /** What to do; null where nothing is to be done. */
  readonly fix: string | null;
  /** What was measured, for machines. */
  readonly values: Readonly<Record<string, number | string | null>>;
}

/** @param dataPath folder of Fashion-MNIST */
export function* diagnose(dataPath: string = FASHION_MNIST_PATH): Generator<Finding> {
  yield checkNode();
  yield checkCompiler();
  const libtorch = checkLibtorch();
  yield libtorch;
  if (libtorch.level !== 'fail') {
    yield checkBlas();
    yield checkThreads();
    yield checkDispatcher();
  }
  yield checkMemory();
  yield checkData(dataPath);
  yield checkPython();
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const current = major > 20 || (major === 20 && minor >= 19);
  return {
    level: current ? 'ok' : 'fail',
    subject: 'node',
    found: `Node ${process.versions.node}`,
    fix: current ? null : 'install Node 20.19 or later',
    values: { version: process.versions.node },
  };
}

/** Needed to build the addon, not to run it. */
function checkCompiler(): Finding {
  const compiler = firstLine('c++', '--version');
  const cmake = firstLine('cmake', '--version');
  const missing = [compiler === null && 'g++', cmake === null && 'cmake'].filter((name) => name !== false);
  return {
    level: missing.length === 0 ? 'ok' : 'warn',
    subject: 'compiler',
    found: [compiler ?? 'no C++ compiler', cmake ?? 'no CMake'].join('; '),
    fix: missing.length === 0 ? null : `to build the addon: apt-get install ${missing.join(' ')}`,
    values: { compiler, cmake },
  };
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

function checkLibtorch(): Finding {
  const subject = 'libtorch';
  try {
    const { version } = libtorchVersion();
    const file = loadedLibrary(/\/libtorch_cpu[^/]*$/);
    return {
      level: 'ok',
      subject,
      found: `libtorch ${version}${file === null ? '' : ` in ${file}`}`,
      fix: null,
      values: { version, file },
    };
  } catch (error) {
    const fix =
      'apt-get install libtorch-dev libopenblas0-pthread (or set LIBTORCH to an unpacked libtorch), then `make build`';
    return { level: 'fail', subject, found: reasonOf(error), fix, values: { version: null, file: null } };
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

/** Below this, a core does not use its vector units: reference BLAS has 1 to 2. */
const slowGigaflops = 10;

function checkBlas(): Finding {
  const cores = availableParallelism();
  const gigaflops = matmulGigaflops();
  const file = loadedLibrary(/\/lib(openblas|blas|mkl|blis)[^/]*$/);
  const slow = gigaflops / cores < slowGigaflops;
  const where = file === null ? '' : `, ${file}`;
  return {
    level: slow ? 'warn' : 'ok',
    subject: 'blas',
    found: `${gigaflops.toFixed(0)} GF/s in a 1024³ float32 product, ${(gigaflops / cores).toFixed(0)} a core${where}`,
    fix: slow
      ? 'this is as slow as reference BLAS: apt-get install libopenblas0-pthread (or the machine is busy)'
      : null,
    values: { gigaflops, gigaflopsPerCore: gigaflops / cores, file },
  };
}

function checkThreads(): Finding {
  const cores = availableParallelism();
  const threads = getNumThreads();
  const speedUp = threads > 1 ? threadSpeedUp(threads) : 1;
  const found = `${threads} threads on ${cores} cores, a convolution ${speedUp.toFixed(2)} times as fast as with one`;
  const values = { threads, cores, speedUp };
  const subject = 'threads';
  if (threads < cores) {
    return {
      level: 'warn',
      subject,
      found,
      fix: `not all cores are used: unset OMP_NUM_THREADS (${process.env.OMP_NUM_THREADS ?? 'not set'})`,
      values,
    };
  }
  if (threads > 1 && speedUp < 1 + 0.4 * (Math.min(threads, 4) - 1)) {
    return {
      level: 'warn',
      subject,
      found,
      fix: 'the threads hardly help: other programs use the cores, or they are shares of one',
      values,
    };
  }
  return { level: 'ok', subject, found, fix: null, values };
}

function checkDispatcher(): Finding {
  const microseconds = callMicroseconds();
  const slow = microseconds > targetMicroseconds;
  return {
    level: slow ? 'warn' : 'ok',
    subject: 'dispatcher',
    found: `${microseconds.toFixed(1)} µs for a call of an operator (target: at most ${targetMicroseconds})`,
    fix: slow ? 'a slow or busy machine: small networks train slower than they could' : null,
    values: { callMicroseconds: microseconds, targetMicroseconds },
  };
}

/** Bytes that the smallest and the published networks of the recipes need, roughly. */
const scarceMemory = 0.5e9;
const comfortableMemory = 2e9;

function checkMemory(): Finding {
  const available = availableMemory();
  const level = available < scarceMemory ? 'fail' : available < comfortableMemory ? 'warn' : 'ok';
  const fix = 'end other programs, or train with a smaller data.batchSize or model.width';
  return {
    level,
    subject: 'memory',
    found: `${formatBytes(available)} available`,
    fix: level === 'ok' ? null : fix,
    values: { availableBytes: available },
  };
}

function checkData(path: string): Finding {
  const subject = 'data';
  if (!existsSync(path)) {
    const fix = 'apt-get install dataset-fashion-mnist, or set data.path to a folder with its four files';
    return { level: 'warn', subject, found: `no Fashion-MNIST in ${path}`, fix, values: { path: null } };
  }
  try {
    const { train, test } = loadFashionMnist({ path });
    const found = `Fashion-MNIST in ${path}: ${train.length} + ${test.length} pictures, checksums right`;
    return { level: 'ok', subject, found, fix: null, values: { path, train: train.length, test: test.length } };
  } catch (error) {
    const found = reasonOf(error);
    const fix = 'apt-get install --reinstall dataset-fashion-mnist';
    return { level: 'fail', subject, found, fix, values: { path } };
  }
}

/** Debian's Python, which `python3-torch` belongs to. */
export const systemPython = '/usr/bin/python3';

/** The version of a Python's torch or torchvision; null where it has none. */
export function pythonVersion(python: string, module: 'torch' | 'torchvision'): string | null {
  return firstLine(python, '-c', `import ${module}; print(${module}.__version__)`);
}

function checkPython(): Finding {
  const subject = 'python';
  const version = pythonVersion(systemPython, 'torch');
  if (version !== null) {
    return {
      level: 'ok',
      subject,
      found: `torch ${version} in ${systemPython}, to compare with by \`npm run bench -- step\``,
      fix: null,
      values: { version },
    };
  }
  const fix = 'only to compare with, by `npm run bench -- step`: apt-get install python3-torch';
  return { level: 'warn', subject, found: `${systemPython} has no torch`, fix, values: { version } };
}
