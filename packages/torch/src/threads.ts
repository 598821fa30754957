/** The threads that libtorch computes with, and which libtorch it is. */
import { isMainThread } from 'node:worker_threads';
import { initialThreads, isLoaded, native } from './native.js';

/** Threads of one operator: `os.availableParallelism()` at first, or OMP_NUM_THREADS. Asking does not load libtorch. */
export function getNumThreads(): number {
  return isLoaded || !isMainThread ? native.getNumThreads() : initialThreads();
}

/** @param threads from 1 to 1024; results are the same from run to run at one number of threads */
export function setNumThreads(threads: number): void {
  native.setNumThreads(threads);
}

/** Such as `1.13.0`, and how it was built. */
export function libtorchVersion(): { readonly version: string; readonly configuration: string } {
  return native.buildInfo();
}
