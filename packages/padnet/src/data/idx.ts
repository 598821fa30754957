/**
 * The IDX format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, an element type, the number of
 * dimensions, each dimension as a big-endian 32-bit integer, then the elements, row-major. Only unsigned bytes (type 8)
 * are read.
 */

import { constants as bufferConstants } from 'node:buffer';

import { InputError } from '../errors.js';
import { checkGzipLength, gunzip, gunzipStart, isGzip } from './gunzip.js';

/** Numbers below 256 with any number of dimensions (1 to 255). */
export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major, the product of `shape` many. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
const MAX_UINT32 = 2 ** 32 - 1;

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The bytes before the elements: `4 + 4 × shape.length` of them. */
export function idxHeader(shape: readonly number[]): Uint8Array<ArrayBuffer> {
  if (shape.length === 0 || shape.length > 255) {
    throw new InputError(`an IDX array has 1 to 255 dimensions, got ${shape.length}`);
  }
  const header = new Uint8Array(4 + 4 * shape.length);
  header[2] = UNSIGNED_BYTE;
  header[3] = shape.length;
  const view = new DataView(header.buffer);
  shape.forEach((size, axis) => {
    if (!Number.isInteger(size) || size < 0 || size > MAX_UINT32) {
      throw new InputError(`dimension ${axis} of an IDX array must be an integer from 0 to ${MAX_UINT32}, got ${size}`);
    }
    view.setUint32(4 + 4 * axis, size);
  });
  return header;
}

/** The file's contents, not compressed. Throws InputError if `data` does not have the size that `shape` says. */
export function encodeIdx({ shape, data }: IdxArray): Uint8Array<ArrayBuffer> {
  const header = idxHeader(shape);
  if (data.length !== elementCount(shape)) {
    throw new InputError(
      `an IDX array of [${shape.join(', ')}] has ${elementCount(shape)} numbers, got ${data.length}`,
    );
  }
  const bytes = new Uint8Array(header.length + data.length);
  bytes.set(header);
  bytes.set(data, header.length);
  return bytes;
}

/** Shape and length of the header at the start of `bytes`, which may be only the beginning of the file. */
function readHeader(bytes: Uint8Array, file: string): { shape: number[]; headerLength: number } {
  if (bytes.length < 4) {
    throw new InputError(
      `${file}: expected an IDX header of at least 8 bytes, found ${bytes.length}; the file is cut off`,
    );
  }
  const [zero0, zero1, type, rank] = [...bytes.subarray(0, 4)] as [number, number, number, number];
  if (zero0 !== 0 || zero1 !== 0 || type !== UNSIGNED_BYTE || rank === 0) {
    const magic = [zero0, zero1, type, rank].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new InputError(
      `${file}: expected an IDX file of unsigned bytes (first bytes 00 00 08 and the number of dimensions), ` +
        `found ${magic}; give an idx-ubyte file, plain or gzipped`,
    );
  }
  const headerLength = 4 + 4 * rank;
  if (bytes.length < headerLength) {
    throw new InputError(
      `${file}: expected an IDX header of ${headerLength} bytes for ${rank} dimensions, found ${bytes.length}; ` +
        'the file is cut off',
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  return { shape, headerLength };
}

function tooLong(file: string, shape: readonly number[], expected: number): InputError {
  return new InputError(
    `${file}: expected ${expected} bytes for an IDX array of [${shape.join(', ')}], found more; get the file again`,
  );
}

/** Decompresses an IDX file, without asking for more memory than its header announces. */
function gunzipIdx(bytes: Uint8Array, file: string): Uint8Array {
  const { shape, headerLength } = readHeader(gunzipStart(bytes, file), file);
  const expected = headerLength + elementCount(shape);
  if (expected > bufferConstants.MAX_LENGTH) {
    throw new InputError(
      `${file}: an IDX array of [${shape.join(', ')}] is more than the ${bufferConstants.MAX_LENGTH} bytes that can ` +
        'be read at once; split the file, or get it again if it is damaged',
    );
  }
  checkGzipLength(bytes, file, expected);
  return gunzip(bytes, file, expected, () => tooLong(file, shape, expected));
}

/** The shape of the array in an IDX file, from its header alone. @throws InputError where it has none */
export function idxShape(bytes: Uint8Array, file: string): readonly number[] {
  return readHeader(isGzip(bytes) ? gunzipStart(bytes, file) : bytes, file).shape;
}

/**
 * Reads an IDX file of unsigned bytes, plain or gzipped (told apart by the contents, not by the name).
 *
 * @param bytes the whole file; the result is a view of them where they are not compressed
 * @param file what messages call it
 * @throws InputError, and nothing else, if the bytes are not exactly one such array
 */
export function decodeIdx(bytes: Uint8Array, file: string): IdxArray {
  const plain = isGzip(bytes) ? gunzipIdx(bytes, file) : bytes;
  const { shape, headerLength } = readHeader(plain, file);
  const expected = headerLength + elementCount(shape);
  if (plain.length > expected) throw tooLong(file, shape, expected);
  if (plain.length < expected) {
    throw new InputError(
      `${file}: expected ${expected} bytes for an IDX array of [${shape.join(', ')}], found ${plain.length}; ` +
        'the file is cut off',
    );
  }
  return { shape, data: plain.subarray(headerLength) };
}
