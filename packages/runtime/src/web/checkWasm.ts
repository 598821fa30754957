import { InputError } from '../errors.js';

/** A function that gives a vector of 128 bits. */
const simdModule = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** @throws InputError where the browser does not know what onnxruntime-web is compiled to */
export function checkWasm(): void {
  if (typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(simdModule))) return;
  throw new InputError(
    'this browser has no WebAssembly with SIMD, which the network needs; take one of 2021 or later (Safari: 2023)',
  );
}
