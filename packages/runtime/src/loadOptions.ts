import type { LoadProgress } from './engine/modelFiles.js';
import { InputError } from './errors.js';

/** Threads at most: onnxruntime starts thousands for minutes, and cannot be interrupted. */
const MAX_THREADS = 256;

export interface LoadOptions {
  /** Ends the download, and what follows it. */
  readonly signal?: AbortSignal | undefined;
  /** Called as files arrive. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * In a browser: whether files are kept in Cache Storage, and taken from there while the server says that they are the
   * same. @default true
   */
  readonly cache?: boolean | undefined;
  /**
   * `auto`: in Node `cpu`; in a browser `webgpu` where there is an adapter, otherwise `wasm`. @default 'auto'
   */
  readonly device?: 'auto' | 'cpu' | 'wasm' | 'webgpu' | undefined;
  /**
   * Threads that compute, at most 256. In a browser there is one unless a worker computes and the page is isolated
   * (`crossOriginIsolated`).
   * @default as many as the processor has cores in Node; half of them, at most 4, in an isolated page
   */
  readonly numThreads?: number | undefined;
  /**
   * In a browser: the folder with the `.wasm` files of onnxruntime-web. @default that of the worker's script
   */
  readonly wasmPaths?: string | URL | undefined;
  /**
   * In a browser: the script of the worker that computes, `@padnet/runtime/worker`; `false` computes in the thread that
   * asks, which then stands still meanwhile. @default `worker.js` beside the script that this is part of
   */
  readonly worker?: string | URL | false | undefined;
}

/** @throws InputError where `numThreads` is no number of threads */
export function checkOptions({ numThreads }: LoadOptions): void {
  if (numThreads === undefined || (Number.isInteger(numThreads) && numThreads >= 1 && numThreads <= MAX_THREADS))
    return;
  throw new InputError(`numThreads is ${String(numThreads)}, expected a whole number from 1 to ${MAX_THREADS}`);
}
