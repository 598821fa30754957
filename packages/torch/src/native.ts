/** The addon, loaded once and typed in one place; C++ side: `native/addon.cc`. `libtorch/` finds and loads it. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { loadAddon } from './libtorch/load.js';
import { openBlasCore } from './openBlas.js';

/** How an argument crosses to C++; by name the `Kind` of `native/dispatcher.h`. */
export type ArgumentKind =
  | 'Tensor'
  | 'Tensor[]'
  | 'Tensor?[]'
  | 'int'
  | 'int[]'
  | 'float'
  | 'float[]'
  | 'bool'
  | 'bool[]'
  | 'Scalar'
  | 'Scalar[]'
  | 'string'
  | 'string[]'
  | 'ScalarType'
  | 'Layout'
  | 'MemoryFormat'
  | 'Device'
  | 'Generator'
  | 'unsupported';

export interface NativeArgument {
  readonly name: string;
  readonly kind: ArgumentKind;
  readonly optional: boolean;
  readonly hasDefault: boolean;
  readonly keywordOnly: boolean;
  /** 2 for `int[2]`, where one number stands for both; 0 where the schema says no size. */
  readonly listSize: number;
}

export interface NativeOperator {
  readonly index: number;
  readonly schema: string;
  readonly arguments: readonly NativeArgument[];
  /** `alias` is the position of the argument that is written to and handed back, or -1. */
  readonly returns: readonly { readonly kind: ArgumentKind; readonly alias: number }[];
}

export interface TensorDescription {
  readonly shape: number[];
  readonly stride: number[] | null;
  readonly dtype: string;
  readonly device: string;
  readonly numel: number;
  readonly itemSize: number;
  readonly contiguous: boolean;
  /** Whether its memory holds other numbers: they are negated or conjugated when they are read. */
  readonly lazy: boolean;
}

/** A live tensor of this thread; see `HandleTable` in `native/environment.h`. */
export type Handle = number;

interface Native {
  schemas(): string[];
  bind(name: string, overload: string): NativeOperator | null;
  call(index: number, values: readonly unknown[]): unknown;
  loadLibrary(path: string): void;
  describe(tensor: Handle): TensorDescription;
  shape(tensor: Handle): number[];
  version(tensor: Handle): number;
  checkDevice(name: string): void;
  item(tensor: Handle): number | bigint | boolean;
  fromBytes(data: ArrayBufferView, shape: readonly number[], dtype: string): Handle;
  bytes(tensor: Handle): ArrayBuffer;
  isFinite(tensor: Handle): boolean;
  isShared(tensor: Handle): boolean;
  release(tensors: Handle | readonly Handle[]): void;
  duplicate(tensor: Handle): Handle;
  externalBytes(tensor: Handle): number;
  adjustExternalMemory(bytes: number): number;
  liveTensors(): number;
  backward(
    tensors: readonly Handle[],
    gradients: readonly Handle[] | null,
    retainGraph: boolean,
    createGraph: boolean,
  ): void;
  grad(
    outputs: readonly Handle[],
    inputs: readonly Handle[],
    gradients: readonly Handle[] | null,
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (Handle | null)[];
  setGradEnabled(enabled: boolean): boolean;
  setAutocast(dtype: string | null): string | null;
  isGradEnabled(): boolean;
  gradInfo(tensor: Handle): { requiresGrad: boolean; isLeaf: boolean; gradFunction: string | null };
  setRequiresGrad(tensor: Handle, requiresGrad: boolean): void;
  getGrad(tensor: Handle): Handle | null;
  setGrad(tensor: Handle, gradient: Handle | null): void;
  registerHook(tensor: Handle, hook: (gradient: Handle) => Handle | undefined): number;
  removeHook(tensor: Handle, id: number): void;
  customFunction(
    inputs: readonly Handle[],
    outputs: readonly Handle[],
    saved: readonly Handle[],
    backward: (gradients: Handle[], saved: Handle[]) => (Handle | null)[],
    name: string,
  ): Handle[];
  createGenerator(seed: number | null): number;
  releaseGenerator(generator: number): void;
  seedGenerator(generator: number, seed: number): void;
  getGeneratorState(generator: number): Handle;
  setGeneratorState(generator: number, state: Handle): void;
  setMemoryLimit(bytes: number | null): void;
  memoryUsage(resetPeak: boolean): { allocated: number; peak: number };
  getNumThreads(): number;
  setNumThreads(threads: number): void;
  buildInfo(): { version: string; configuration: string };
}

const CPU_INFO = '/proc/cpuinfo';

/**
 * The addon. It is loaded, and libtorch with it, when something of it is first used: who only imports this package
 * waits for nothing, and need not have libtorch.
 */
export let native: Native = new Proxy({} as Native, {
  get: (_, name) => Reflect.get(started(), name) as unknown,
});

function started(): Native {
  chooseThreadsAndKernels();
  const addon = loadAddon() as Native;
  if (isMainThread) addon.setNumThreads(initialThreads());
  native = addon;
  isLoaded = true;
  return addon;
}

/** Whether libtorch has been needed yet. */
export let isLoaded = false;

/**
 * The threads that the main thread begins with. libtorch often counts one where there are two, and says nothing (a
 * ResNet-18 step then takes twice as long). More threads than OpenMP may start would wait for each other for ever.
 */
export function initialThreads(): number {
  const { OMP_NUM_THREADS: wanted, OMP_THREAD_LIMIT: most } = process.env;
  return Math.min(Number(wanted) || availableParallelism(), Number(most) || Infinity);
}

/** The variables that OpenMP and OpenBLAS read from the environment when libtorch is loaded. */
function chooseThreadsAndKernels(): void {
  // Threads that spin while they wait for work take the cores from the data loader and from other programs: on two busy
  // cores a training step then takes ten times as long. Those that sleep at once are woken for every operator: one
  // picture through a ResNet-18 takes 1.4 times as long. So they spin for about 50 µs, then sleep.
  if (process.env.GOMP_SPINCOUNT === undefined && process.env.OMP_WAIT_POLICY === undefined) {
    process.env.GOMP_SPINCOUNT = '5000';
    process.env.OMP_WAIT_POLICY = 'passive';
  }
  // The variables of a worker are its own.
  if (isMainThread && process.env.OPENBLAS_CORETYPE === undefined && existsSync(CPU_INFO)) {
    const core = openBlasCore(readFileSync(CPU_INFO, 'utf8'));
    if (core !== null) process.env.OPENBLAS_CORETYPE = core;
  }
}
