import { afterEach, expect, it, vi } from 'vitest';
import { checkWasm } from './checkWasm.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

it('takes what has SIMD, and refuses what does not', () => {
  expect(checkWasm).not.toThrow();
  // As browsers before 2021: the module is sound but for the vector.
  vi.stubGlobal('WebAssembly', { validate: (bytes: Uint8Array) => !bytes.includes(0xfd) });
  expect(checkWasm).toThrow('this browser has no WebAssembly with SIMD');
  vi.stubGlobal('WebAssembly', undefined);
  expect(checkWasm).toThrow('this browser has no WebAssembly with SIMD');
});
