/** Picture files → pixels, by sharp (libvips). */
import { constants, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Metadata, Sharp, SharpOptions } from 'sharp';

import type { PictureGeometry } from '@padnet/runtime/shared';
import { kindProblem, readProblem } from '../readRegularFile.js';
import type { PictureFile } from './pictureFiles.js';

/** The side of the largest square that a picture is decoded to. */
export const MAX_PICTURE_SIDE = 2 ** 13;

/** Pixels of the largest picture that is decoded. */
const MAX_PICTURE_PIXELS = MAX_PICTURE_SIDE ** 2;

/**
 * The largest ratio of the longer side to the shorter one: a picture resized by its shorter side still has sides that
 * libvips can count.
 */
const MAX_ASPECT_RATIO = 10_000;

/** A file's path, or the bytes of a file. */
export type PictureSource = string | Uint8Array;

/** By what sharp calls them. */
const formats = {
  jpeg: { name: 'JPEG', isWhole: ({ tail }: Ends) => tail.includes(Buffer.from([0xff, 0xd9])) },
  png: { name: 'PNG', isWhole: ({ tail }: Ends) => tail.includes('IEND') },
  webp: { name: 'WebP', isWhole: ({ head, size }: Ends) => head.readUInt32LE(4) + 8 <= size },
  gif: { name: 'GIF', isWhole: ({ tail }: Ends) => tail.includes(0x3b) },
  // These have no mark at their end.
  tiff: { name: 'TIFF', isWhole: () => false },
  heif: { name: 'AVIF', isWhole: () => false },
} as const;

const formatNames = Object.values(formats).map(({ name }) => name);
const expected = `expected ${formatNames.slice(0, -1).join(', ')} or ${formatNames.at(-1)!}`;

/** Profiles are not applied, as in torchvision. Files with a wrong part are refused, not filled with grey. */
const options: SharpOptions = { ignoreIcc: true, failOn: 'warning', limitInputPixels: MAX_PICTURE_PIXELS };

let loaded: Promise<typeof import('sharp').default> | undefined;

/** Loaded when the first picture is: most commands need none. */
function loadSharp(): Promise<typeof import('sharp').default> {
  loaded ??= import('sharp').then(({ default: sharp }) => {
    sharp.cache(false); // each file is read once an epoch
    sharp.concurrency(1); // pictures are decoded side by side instead
    return sharp;
  });
  return loaded;
}

/** Size of a picture, from its header; a damaged end is found by decoding. @throws Error with the reason, in words */
export async function inspectPicture(source: PictureSource): Promise<Omit<PictureFile, 'path'>> {
  const ends = await readEnds(source);
  if (ends.size === 0) throw new Error('the file is empty');
  const sharp = await loadSharp();
  const { format, compression, depth, autoOrient, hasAlpha } = await headerOf(source);
  if (!(format in formats) || (format === 'heif' && compression !== 'av1'))
    throw new Error(`its contents are ${format === 'heif' ? 'HEIC' : format.toUpperCase()}, ${expected}`);
  if (depth !== 'uchar' && depth !== 'ushort')
    throw new Error(`its pixels are of type ${depth}, expected whole numbers of 8 or 16 bits`);
  const { width, height } = autoOrient;
  if (width < 1 || height < 1) throw new Error(`it has ${width}×${height} pixels`);
  if (width * height > MAX_PICTURE_PIXELS)
    throw new Error(
      `${width}×${height} pixels are more than the ${MAX_PICTURE_PIXELS} that are decoded; make it smaller`,
    );
  if (Math.max(width, height) > MAX_ASPECT_RATIO * Math.min(width, height))
    throw new Error(`${width}×${height} pixels: one side is more than ${MAX_ASPECT_RATIO} times the other`);
  if (!formats[format as keyof typeof formats].isWhole(ends)) {
    // Not by stats(): side by side with others it loses errors.
    const decoded = sharp(source, options).resize(8, 8, { fit: 'fill' }).raw().toBuffer();
    await decoded.catch(refuseDamaged);
  }
  return { width, height, hasAlpha };
}

async function headerOf(source: PictureSource): Promise<Metadata> {
  const sharp = await loadSharp();
  try {
    return await sharp(source, { ...options, limitInputPixels: false }).metadata();
  } catch (cause) {
    const { message } = cause as Error;
    if (message.includes('unsupported image format'))
      throw new Error(`its contents are not a picture, ${expected}`, { cause });
    return refuseDamaged(cause);
  }
}

/** Refuses a damaged picture; what libvips says of it, which may be several lines, stays the cause. */
function refuseDamaged(cause: unknown): never {
  throw new Error('it is damaged or cut off', { cause });
}

/** The first and last bytes of a file. */
interface Ends {
  readonly size: number;
  readonly head: Buffer;
  readonly tail: Buffer;
}

async function readEnds(source: PictureSource): Promise<Ends> {
  if (typeof source !== 'string') {
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.length);
    return { size: bytes.length, head: bytes.subarray(0, 8), tail: bytes.subarray(-64) };
  }
  try {
    // O_NONBLOCK: a named pipe must not be waited for.
    await using handle = await open(source, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const problem = kindProblem(stats);
    if (problem !== null) throw new Error(problem);
    const { size } = stats;
    const read = async (position: number, length: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(length);
      await handle.read(bytes, 0, length, position);
      return bytes;
    };
    const length = Math.min(size, 64);
    return { size, head: await read(0, 8), tail: await read(size - length, length) };
  } catch (cause) {
    throw new Error(readProblem(source, cause), { cause });
  }
}

/**
 * RGB of 8 bits, `[height, width, 3]` of the geometry's result. Upright, as EXIF orientation says; grey is repeated,
 * CMYK is converted, 16 bits are scaled to 8, and alpha is dropped (the colour below it stays), as torchvision's
 * `convert('RGB')` does. Of several pages or frames the first.
 *
 * @throws Error with the reason, in words, where the file is damaged
 */
export async function decodePicture(
  source: PictureSource,
  hasAlpha: boolean,
  { before, width, height, after }: PictureGeometry,
): Promise<Uint8Array> {
  checkRegular(source);
  try {
    let picture = (await loadSharp())(source, options).autoOrient();
    if (hasAlpha) picture = await opaque(picture);
    if (before) picture = picture.extract(before);
    // 'linear' is PIL's bilinear filter: a triangle as wide as a pixel of the result.
    picture = picture.resize(width, height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
    if (after) picture = picture.extract(after);
    return await picture.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer();
  } catch (error) {
    return refuseDamaged(error);
  }
}

/** Checks again, since a file may have become a named pipe after it was inspected. */
function checkRegular(source: PictureSource): void {
  if (typeof source !== 'string') return;
  let problem: string | null;
  try {
    // In the thread pool it would wait behind pictures that are being decoded.
    problem = kindProblem(statSync(source));
  } catch (cause) {
    throw new Error(readProblem(source, cause), { cause });
  }
  if (problem !== null) throw new Error(problem);
}

/** Without its alpha channel before it is resized, which would otherwise weigh colours by it. */
async function opaque(picture: Sharp): Promise<Sharp> {
  const decoded = picture.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' });
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  return (await loadSharp())(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}
