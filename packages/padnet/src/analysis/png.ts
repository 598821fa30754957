/** Pixels as a PNG file (W3C PNG, third edition): 8 bits a channel, greyscale or RGB, no filter. */
import { deflateSync } from 'node:zlib';

export interface Pixels {
  /** [channels, height, width], 0 to 255. */
  readonly data: Uint8Array;
  /** 1: greyscale, 3: RGB. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const crc = ~body.reduce((sum, byte) => crcTable[(sum ^ byte) & 255]! ^ (sum >>> 8), ~0);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc >>> 0);
  return Buffer.concat([length, body, check]);
}

/** @throws RangeError where there are neither 1 nor 3 channels */
export function encodePng({ data, channels, height, width }: Pixels): Buffer {
  if (channels !== 1 && channels !== 3) throw new RangeError(`a PNG has 1 or 3 channels, got ${channels}`);
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, channels === 3 ? 2 : 0, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const rowSize = 1 + width * channels; // a filter byte (none), then pixels with their channels side by side
  const rows = new Uint8Array(height * rowSize).map((_, index) => {
    const [row, column] = [Math.floor(index / rowSize), (index % rowSize) - 1];
    const channel = column % channels;
    return column < 0 ? 0 : data[(channel * height + row) * width + (column - channel) / channels]!;
  });
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
