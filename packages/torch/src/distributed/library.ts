/** `libdist.so`, the process groups of c10d (`native/distributed/`), loaded when one is first made. */
import { linkerReason, nativeFile } from '../libtorch/index.js';
import { loadLibrary } from '../library.js';

let isLoaded = false;

/** Loads the library, once. */
export function loadDistributed(): void {
  if (isLoaded) return;
  const file = nativeFile('libdist.so');
  try {
    loadLibrary(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the process groups of distributed training could not be loaded (${linkerReason(reason, file)}): this libtorch ` +
        'may have been built without Gloo; `padnet setup` gets another',
      { cause: error },
    );
  }
  isLoaded = true;
}
