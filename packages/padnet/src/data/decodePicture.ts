/** Picture files → pixels, by sharp (libvips). */
import { open, stat } from 'node:fs/promises';
import type { Sharp, SharpOptions } from 'sharp';

import { reasonOf } from '../errors.js';
import type { PictureFile } from './pictureFiles.js';
import type { PictureGeometry } from './pictureGeometry.js';

/** Pixels of the largest picture that is decoded: 8,192 × 8,192. */
export const MAX_PICTURE_PIXELS = 2 ** 26;

const formats = ['jpeg', 'png', 'webp'];

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
export async function inspectPicture(file: string): Promise<Omit<PictureFile, 'path'>> {
  try {
    const sharp = await loadSharp();
    const { format, autoOrient, hasAlpha } = await sharp(file, { ...options, limitInputPixels: false }).metadata();
    const { width, height } = autoOrient;
    if (!formats.includes(format)) throw new Error(`its contents are ${format}, expected JPEG, PNG or WebP`);
    if (width < 1 || height < 1) throw new Error(`it has ${width}×${height} pixels`);
    if (width * height > MAX_PICTURE_PIXELS)
      throw new Error(
        `${width}×${height} pixels are more than the ${MAX_PICTURE_PIXELS} that are decoded; make it smaller`,
      );
    if (!(await endsAsItShould(file, format)))
      // Not by stats(): side by side with others it loses errors. The reason of libvips may be lost too, so ours comes first.
      await sharp(file, options)
        .resize(8, 8, { fit: 'fill' })
        .raw()
        .toBuffer()
        .catch((cause: unknown) => {
          throw new Error(`it is damaged or cut off (${(cause as Error).message})`, { cause });
        });
    return { width, height, hasAlpha };
  } catch (error) {
    throw new Error(await pictureProblem(file, error as Error), { cause: error });
  }
}

/** Looks for the mark at a file's end. Other programs may write something after it: no mark is no proof of damage. */
async function endsAsItShould(file: string, format: string): Promise<boolean> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const tail = Buffer.alloc(Math.min(size, 64));
  await handle.read(tail, 0, tail.length, size - tail.length);
  if (format === 'jpeg') return tail.includes(Buffer.from([0xff, 0xd9]));
  if (format === 'png') return tail.includes('IEND');
  const head = Buffer.alloc(8);
  await handle.read(head, 0, 8, 0);
  return head.readUInt32LE(4) + 8 <= size;
}

async function pictureProblem(file: string, error: Error): Promise<string> {
  try {
    if ((await stat(file)).size === 0) return 'the file is empty';
    await using handle = await open(file);
    await handle.read(Buffer.alloc(1), 0, 1, 0);
  } catch (unreadable) {
    return `it can not be read: ${reasonOf(unreadable)}`;
  }
  return error.message === 'Input file contains unsupported image format'
    ? 'its contents are no picture, expected JPEG, PNG or WebP'
    : error.message
        .trim()
        .replaceAll(/\s*\n\s*/g, '; ')
        .replace(/^.*?: (?=\w)/, (start) => (start.includes(file) ? '' : start));
}

/**
 * RGB of 8 bits, `[height, width, 3]` of the geometry's result. Upright, as EXIF orientation says; grey is repeated, CMYK is
 * converted, 16 bits are scaled to 8, and alpha is dropped (the colour below it stays), as torchvision's `convert('RGB')` does.
 *
 * @throws Error with the reason, in words, where the file is damaged
 */
export async function decodePicture(
  file: string,
  hasAlpha: boolean,
  { before, width, height, after }: PictureGeometry,
): Promise<Uint8Array> {
  try {
    let picture = (await loadSharp())(file, options).autoOrient();
    if (hasAlpha) picture = await opaque(picture);
    if (before) picture = picture.extract(before);
    // 'linear' is PIL's bilinear filter: a triangle as wide as a pixel of the result.
    picture = picture.resize(width, height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
    if (after) picture = picture.extract(after);
    return await picture.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer();
  } catch (error) {
    throw new Error(await pictureProblem(file, error as Error), { cause: error });
  }
}

/** Without its alpha channel before it is resized, which would otherwise weigh colours by it. */
async function opaque(picture: Sharp): Promise<Sharp> {
  const decoded = picture.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' });
  const { data, info } = await decoded.toBuffer({ resolveWithObject: true });
  return (await loadSharp())(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}
