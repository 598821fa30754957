/** Memory of libtorch's CPU tensors, of all threads together. */
import { native } from './native.js';

export interface MemoryUsage {
  /** Bytes that tensors hold now. */
  readonly allocated: number;
  /** The most bytes that they have held at once, since the start or since `resetPeak`. */
  readonly peak: number;
}

/** @param options `resetPeak`: start measuring the peak anew, false by default */
export function memoryUsage({ resetPeak = false }: { readonly resetPeak?: boolean } = {}): MemoryUsage {
  return native.memoryUsage(resetPeak);
}

/**
 * Makes an operator that would need more memory throw. Without a limit, it throws where the machine (or its control
 * group) has no more to give, rather than let the system kill the process.
 *
 * @param bytes null for no limit but the machine's
 */
export function setMemoryLimit(bytes: number | null): void {
  native.setMemoryLimit(bytes);
}
