/** The compiled operators of dynamic and partial layers (`native/`). */
import { loadLibrary, nativeFile } from '@padnet/torch';
import { linkerReason } from '@padnet/torch/libtorch';
import { reasonOf } from '../errors.js';

let isLoaded = false;

/** Loads the library, once. */
export function loadNativeLibrary(): void {
  if (isLoaded) return;
  const given = process.env.PADNET_LIBRARY?.trim() ?? '';
  const file = given === '' ? nativeFile('libpadnet.so', new URL('../../build/', import.meta.url)) : given;
  try {
    loadLibrary(file);
  } catch (error) {
    throw new Error(`the operators of dynamic layers could not be loaded (${linkerReason(reasonOf(error), file)})`, {
      cause: error,
    });
  }
  isLoaded = true;
}
