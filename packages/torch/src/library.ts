import { native } from './native.js';

/**
 * Loads a shared library that registers operators by `TORCH_LIBRARY`; `operator` then makes functions of them.
 *
 * @throws Error where it cannot be loaded, with the loader's reason
 */
export function loadLibrary(path: string): void {
  native.loadLibrary(path);
}
