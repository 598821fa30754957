/** What the engine needs of Node: onnxruntime-node computes, sharp decodes. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Picture } from '../classifiers.js';
import type { Platform } from '../engine/engine.js';
import { openSession } from '../engine/session.js';
import { InputError } from '../errors.js';
import { checkFormat, HEAD_BYTES } from '../picture/pictureFormat.js';
import { rowsOf, type PictureSource } from '../picture/pictureInput.js';
import { checkRaw, checkSize, MAX_PICTURE_PIXELS } from '../picture/rawPicture.js';
import type { LoadOptions } from '../loadOptions.js';

const formats = ['JPEG', 'PNG', 'WebP', 'GIF', 'AVIF', 'TIFF'] as const;

export function nodePlatform({ device = 'auto', numThreads }: LoadOptions): Platform<Picture> {
  return {
    openSession: async (files) => {
      if (device !== 'auto' && device !== 'cpu')
        throw new InputError(`device ${device} is one of browsers; in Node it is cpu`);
      const runtime = await installed('onnxruntime-node', () => import('onnxruntime-node'));
      return await openSession(
        runtime,
        files,
        'cpu',
        numThreads === undefined ? {} : { intraOpNumThreads: numThreads },
      );
    },
    decode,
  };
}

/** @throws InputError where the package is not installed, or not for this machine */
async function installed<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new InputError(
      isMissing
        ? `${name} is not installed, which Node needs to answer: npm install ${name}`
        : `${name} cannot be loaded on ${process.platform} ${process.arch}: npm install ${name} on this machine`,
      { cause },
    );
  }
}

async function decode(picture: Picture): Promise<PictureSource> {
  if (typeof picture === 'string') return await decodeFile(picture, picture, await headOf(picture));
  if (picture instanceof Uint8Array) return await decodeFile(picture, 'the picture', picture.subarray(0, HEAD_BYTES));
  if ('data' in picture && 'channels' in picture) return rowsOf(checkRaw(picture, 'the picture'));
  throw new InputError('a picture in Node is a path, the bytes of a file, or { data, width, height, channels }');
}

async function headOf(path: string): Promise<Uint8Array> {
  try {
    // O_NONBLOCK: a named pipe must not be waited for.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await handle.stat()).isFile()) throw new InputError(`${path} is no file, expected a picture`);
      const { buffer, bytesRead } = await handle.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(`${path} ${isMissing ? 'is not there' : 'cannot be read'}, expected a picture`, { cause });
  }
}

/** Upright, as EXIF says; profiles are not applied, as in training. */
async function decodeFile(source: string | Uint8Array, name: string, head: Uint8Array): Promise<PictureSource> {
  checkFormat(head, formats, name);
  const { default: sharp } = await installed('sharp', () => import('sharp'));
  const options = { ignoreIcc: true, failOn: 'warning', limitInputPixels: MAX_PICTURE_PIXELS } as const;
  try {
    const { autoOrient } = await sharp(source, { ...options, limitInputPixels: false }).metadata();
    checkSize(autoOrient, name);
    const upright = sharp(source, options).autoOrient().toColourspace('srgb').removeAlpha();
    const { data, info } = await upright.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return rowsOf({ data, width: info.width, height: info.height, channels: info.channels as 1 | 3 });
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`${name} is damaged or cut off; get the picture again`, { cause });
  }
}
