/** PNG, decoded without what a canvas does to it: colours stay what they are where a picture is transparent. */
import type { RawPicture } from '../picture/rawPicture.js';

/** Values a pixel, by colour type: grey, RGB, palette, grey and alpha, RGBA. */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Where the pixels of the passes of an interlaced picture are: first column and row, and steps. */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** RGB of a whole file, which the browser has been able to decode; 16 bits are cut to 8. */
export async function rgbOfPng(file: Uint8Array<ArrayBuffer>): Promise<RawPicture> {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let palette = new Uint8Array();
  for (let at = 8; at + 8 <= file.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const contents = file.subarray(at + 8, at + 8 + length);
    if (type === 'IDAT') parts.push(contents);
    if (type === 'PLTE') palette = contents;
    at += 12 + length;
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colours, interlaced] = [file[24]!, file[25]!, file[28] === 1];
  const samples = samplesOf[colours]!;
  const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate'));
  const bytes = new Uint8Array(await new Response(inflated).arrayBuffer());
  const data = new Uint8Array(3 * width * height);
  const step = Math.max(1, (samples * depth) / 8);
  let at = 0;
  for (const [left, top, stepX, stepY] of interlaced ? passes : [[0, 0, 1, 1] as const]) {
    const columns = Math.ceil((width - left) / stepX);
    const rows = Math.ceil((height - top) / stepY);
    if (columns <= 0 || rows <= 0) continue;
    const size = Math.ceil((columns * samples * depth) / 8);
    let above = new Uint8Array(size);
    for (let row = 0; row < rows; row++) {
      const line = bytes.subarray(at + 1, at + 1 + size);
      unfilter(bytes[at]!, line, above, step);
      for (let column = 0; column < columns; column++) {
        const target = 3 * ((top + row * stepY) * width + left + column * stepX);
        const sample = (channel: number): number => valueAt(line, column * samples + channel, depth);
        for (let channel = 0; channel < 3; channel++) {
          if (colours === 3) data[target + channel] = palette[3 * sample(0) + channel]!;
          // Grey of fewer bits is spread over all 256 levels.
          else if (samples < 3) data[target + channel] = depth < 8 ? (sample(0) * 255) / (2 ** depth - 1) : sample(0);
          else data[target + channel] = sample(channel);
        }
      }
      above = line;
      at += 1 + size;
    }
  }
  return { data, width, height, channels: 3 };
}

/** Value `index` of a line; the upper half of one of 16 bits. */
function valueAt(line: Uint8Array, index: number, depth: number): number {
  if (depth >= 8) return line[(index * depth) / 8]!;
  const bit = index * depth;
  return (line[bit >> 3]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

/** Adds to each byte what its filter foretells. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, step: number): void {
  if (filter === 0) return;
  for (let index = 0; index < line.length; index++) {
    const left = index < step ? 0 : line[index - step]!;
    const up = above[index]!;
    if (filter === 1) line[index]! += left;
    else if (filter === 2) line[index]! += up;
    else if (filter === 3) line[index]! += (left + up) >> 1;
    else line[index]! += paeth(left, up, index < step ? 0 : above[index - step]!);
  }
}

/** Of the three that which is nearest to their plane. */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
