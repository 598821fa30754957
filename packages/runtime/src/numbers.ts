/** The numbers of the compact form as float32, whatever they are stored as. */
import type { StoredTensor } from './safetensors.js';

/** Reads number `index` of a tensor, without its scale. */
export function numberReader({ type, bytes }: StoredTensor): (index: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'F32':
      return (index) => view.getFloat32(4 * index, true);
    case 'F16': {
      const numbers = float16Numbers();
      return (index) => numbers[view.getUint16(2 * index, true)]!;
    }
    case 'BF16':
      return (index) => bfloat16(view.getUint16(2 * index, true));
    case 'I8':
      return (index) => view.getInt8(index);
    case 'U8':
      return (index) => view.getUint8(index);
  }
}

let everyFloat16: Float32Array | null = null;

/** Each number by its bits: a table is many times as fast as the powers of each anew. */
function float16Numbers(): Float32Array {
  everyFloat16 ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => float16(bits));
  return everyFloat16;
}

/** IEEE 754 binary16. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(4));

/** The upper half of a float32. */
function bfloat16(bits: number): number {
  scratch.setUint32(0, bits * 2 ** 16);
  return scratch.getFloat32(0);
}
