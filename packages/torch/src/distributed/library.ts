/** `libdist.so`, the process groups of c10d (`native/distributed/`), loaded when one is first made. */
import { fileURLToPath } from 'node:url';
import { loadLibrary } from '../library.js';

let isLoaded = false;

/** Loads the library, once. */
export function loadDistributed(): void {
  if (isLoaded) return;
  const file = process.env.PADNET_DISTRIBUTED ?? fileURLToPath(new URL('../../build/libdist.so', import.meta.url));
  try {
    loadLibrary(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the process groups of distributed training could not be loaded (${reason}): this libtorch may have been built ` +
        'without them; build them with `make build`',
      { cause: error },
    );
  }
  isLoaded = true;
}
