/** The threads that libtorch computes with, and which libtorch it is. */
import { native } from './native.js';

/** Threads of one operator; set to `os.availableParallelism()` when the package is loaded. */
export function getNumThreads(): number {
  return native.getNumThreads();
}

/** @param threads from 1 to 1024; results are the same from run to run at one number of threads */
export function setNumThreads(threads: number): void {
  native.setNumThreads(threads);
}

/** Such as `1.13.0`, and how it was built. */
export function libtorchVersion(): { readonly version: string; readonly configuration: string } {
  return native.buildInfo();
}
