/** The compiled operators of dynamic and partial layers (`native/`). */
import { fileURLToPath } from 'node:url';
import { loadLibrary } from '@padnet/torch';
import { reasonOf } from '../errors.js';

let isLoaded = false;

/** Loads the library, once. */
export function loadNativeLibrary(): void {
  if (isLoaded) return;
  const file = process.env.PADNET_LIBRARY ?? fileURLToPath(new URL('../../build/libpadnet.so', import.meta.url));
  try {
    loadLibrary(file);
  } catch (error) {
    throw new Error(
      `the operators of dynamic layers could not be loaded (${reasonOf(error)}); build them with \`make build\``,
      { cause: error },
    );
  }
  isLoaded = true;
}
