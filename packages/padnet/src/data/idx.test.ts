import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { decodeIdx, encodeIdx, type IdxArray } from './idx.js';

const array: IdxArray = { shape: [2, 1, 3], data: Uint8Array.from([1, 2, 3, 4, 5, 255]) };
const bytes = encodeIdx(array);

const anyArray = fc
  .array(fc.nat(4), { minLength: 1, maxLength: 5 })
  .chain((shape) =>
    fc
      .uint8Array({ minLength: shape.reduce((a, b) => a * b, 1), maxLength: shape.reduce((a, b) => a * b, 1) })
      .map((data) => ({ shape, data })),
  );

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('expected an InputError');
}

describe('encodeIdx', () => {
  it('writes the bytes of the format', () => {
    expect([...bytes]).toEqual([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255]);
  });

  it('refuses shapes that do not fit', () => {
    expect(messageOf(() => encodeIdx({ shape: [2, 2], data: new Uint8Array(5) }))).toBe(
      'an IDX array of [2, 2] has 4 numbers, got 5',
    );
    expect(messageOf(() => encodeIdx({ shape: [], data: new Uint8Array(1) }))).toContain('1 to 255 dimensions, got 0');
    expect(messageOf(() => encodeIdx({ shape: [-1], data: new Uint8Array(1) }))).toContain('got -1');
  });
});

describe('decodeIdx', () => {
  it('is the inverse of encodeIdx, plain and gzipped', () => {
    fc.assert(
      fc.property(anyArray, ({ shape, data }) => {
        const encoded = encodeIdx({ shape, data });
        for (const file of [encoded, gzipSync(encoded)]) {
          const decoded = decodeIdx(file, 'x');
          expect(decoded.shape).toEqual(shape);
          expect([...decoded.data]).toEqual([...data]);
        }
      }),
    );
  });

  it('reads a view into a larger buffer', () => {
    const larger = new Uint8Array(100);
    larger.set(bytes, 13);
    expect([...decodeIdx(larger.subarray(13, 13 + bytes.length), 'x').data]).toEqual([...array.data]);
  });

  const gzipped = gzipSync(bytes);
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'a.idx: expected an IDX header of at least 8 bytes, found 0; the file is cut off'],
    [
      'a cut header',
      bytes.subarray(0, 9),
      'a.idx: expected an IDX header of 16 bytes for 3 dimensions, found 9; the file is cut off',
    ],
    [
      'cut data',
      bytes.subarray(0, 20),
      'a.idx: expected 22 bytes for an IDX array of [2, 1, 3], found 20; the file is cut off',
    ],
    [
      'trailing bytes',
      Uint8Array.from([...bytes, 0]),
      'a.idx: expected 22 bytes for an IDX array of [2, 1, 3], found more; get the file again',
    ],
    [
      'a PNG',
      Uint8Array.from([0x89, 0x50, 0x4e, 0x47]),
      'a.idx: expected an IDX file of unsigned bytes (first bytes 00 00 08 and the number of dimensions), ' +
        'found 89 50 4e 47; give an idx-ubyte file, plain or gzipped',
    ],
    ['floats', Uint8Array.from([0, 0, 0x0d, 1, 0, 0, 0, 0]), 'found 00 00 0d 01'],
    [
      'cut gzip',
      gzipped.subarray(0, gzipped.length - 3),
      'a.idx: the gzip data are cut off or damaged (unexpected end of file); get the file again',
    ],
    [
      'a wrong gzip checksum',
      gzipped.map((byte, i) => (i === gzipped.length - 6 ? byte ^ 1 : byte)),
      'a.idx: the gzip data are cut off or damaged (incorrect data check); get the file again',
    ],
    [
      'bytes after the gzip data',
      Uint8Array.from([...gzipped, 0, 0]),
      'a.idx: expected the end of the gzip data, found 2 more bytes; get the file again',
    ],
    ['a gzip with trailing bytes', gzipSync(Uint8Array.from([...bytes, 1])), 'expected 22 bytes for an IDX array of'],
    ['a gzip with cut data', gzipSync(bytes.subarray(0, 20)), 'found 20; the file is cut off'],
    ['an enormous gzip', gzipSync(Uint8Array.from([0, 0, 8, 1, 255, 255, 255, 255])), 'bytes that can be read at once'],
    ['a gzip of text', gzipSync('hello world'), 'found 68 65 6c 6c'],
  ])('refuses %s', (_, file, message) => {
    const found = messageOf(() => decodeIdx(file, 'a.idx'));
    expect(found).toContain(message);
    expect(found).toMatch(/^a\.idx: [^\n]*$/);
  });

  it('stops at the announced size of a gzip bomb', () => {
    const bomb = gzipSync(Uint8Array.from([...idxOf(10), ...new Uint8Array(1 << 21)]));
    bomb[bomb.length - 6]! ^= 1; // a wrong checksum, which only those notice who expand it all
    expect(messageOf(() => decodeIdx(bomb, 'bomb'))).toContain('bomb: expected 18 bytes');
  });

  it('does not expand what cannot be there', () => {
    const announced = (shape: number[]): Uint8Array => {
      const header = encodeIdx({ shape: [0], data: new Uint8Array(0) }).slice(0, 4);
      header[3] = shape.length;
      return Uint8Array.from([...header, ...shape.flatMap((size) => [size >>> 24, size >>> 16, size >>> 8, size])]);
    };
    // Zeros are as small as data get: 4 GiB of them would take four megabytes, and seconds to expand.
    const few = gzipSync(Uint8Array.from([...announced([5_000_000, 28, 28]), ...new Uint8Array(1 << 20)]));
    expect(messageOf(() => decodeIdx(few, 'few'))).toBe(
      `few: the gzip data are cut off or damaged (${few.length} bytes cannot hold the 3920000016 that its header ` +
        'announces); get the file again',
    );
    const zeros = new Uint8Array(2 ** 28);
    zeros.set(announced([400_000, 28, 28]));
    const cut = gzipSync(zeros, { level: 1 });
    const before = process.memoryUsage().rss;
    expect(messageOf(() => decodeIdx(cut, 'cut'))).toContain(
      'its header announces 313600016 bytes, its end does not; a file of several parts has to be expanded first',
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
  });

  it('gives an array or an InputError for damaged bytes, never anything else', () => {
    const noise = Uint8Array.from({ length: 3000 }, (_, i) => (i * i * 31) >>> 3);
    const plain = encodeIdx({ shape: [30, 10, 10], data: noise });
    fc.assert(
      fc.property(
        fc.constantFrom<Uint8Array>(plain, gzipSync(plain)),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        (file, changes, kept, cut) => {
          const damaged = file.slice(0, cut ? Math.floor(kept * file.length) : file.length);
          for (const [place, byte] of changes) {
            // Half of the changes hit the header, where they matter most.
            const range = place % 2 === 0 ? 20 : damaged.length;
            if (damaged.length > 0) damaged[(place >>> 1) % Math.min(range, damaged.length)] = byte;
          }
          try {
            const { shape, data } = decodeIdx(damaged, 'x');
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
            expect(String(error)).toMatch(/^InputError: x: [^\n]*$/);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function idxOf(length: number): Uint8Array {
  return encodeIdx({ shape: [length], data: new Uint8Array(length) });
}
