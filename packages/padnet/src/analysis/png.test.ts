import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodePng } from './png.js';

/** Chunks by type. */
function chunks(file: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let offset = 8; offset < file.length;) {
    const length = file.readUInt32BE(offset);
    found.set(file.toString('latin1', offset + 4, offset + 8), file.subarray(offset + 8, offset + 8 + length));
    offset += 12 + length;
  }
  return found;
}

describe('encodePng', () => {
  it('holds greyscale rows, each after a filter byte', () => {
    const file = encodePng({ data: Uint8Array.of(1, 2, 3, 4, 5, 6), channels: 1, height: 2, width: 3 });
    expect([...file.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
    const parts = chunks(file);
    expect([...parts.get('IHDR')!]).toEqual([0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
    expect([...inflateSync(parts.get('IDAT')!)]).toEqual([0, 1, 2, 3, 0, 4, 5, 6]);
    // The end chunk is the same in every PNG file.
    expect(file.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
  });

  it('puts the channels of a pixel side by side', () => {
    const file = encodePng({ data: Uint8Array.of(10, 11, 20, 21, 30, 31), channels: 3, height: 1, width: 2 });
    expect(chunks(file).get('IHDR')![9]).toBe(2);
    expect([...inflateSync(chunks(file).get('IDAT')!)]).toEqual([0, 10, 20, 30, 11, 21, 31]);
  });

  it('refuses other numbers of channels', () => {
    expect(() => encodePng({ data: new Uint8Array(8), channels: 2, height: 2, width: 2 })).toThrow('got 2');
  });
});
