/** Pictures decoded by the browser, as training decodes them. */
import { InputError } from '../errors.js';
import { checkFormat, HEAD_BYTES, type PictureFormat } from '../picture/pictureFormat.js';
import { rowsOf, type PictureSource } from '../picture/pictureInput.js';
import { checkRaw, checkSize, type RawPicture } from '../picture/rawPicture.js';

/** What a worker can be sent. */
export type WebPicture = RawPicture | ImageData | ImageBitmap | Blob;

type Decoded = PictureSource & { close(): void };

const formats = ['JPEG', 'PNG', 'WebP', 'GIF', 'AVIF'] as const;

/** Those whose pixels may be transparent. */
const types: Partial<Record<PictureFormat, string>> = {
  PNG: 'image/png',
  WebP: 'image/webp',
  GIF: 'image/gif',
  AVIF: 'image/avif',
};

/** No profile is applied, and alpha changes no colour, as in training. */
const decoding = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const;

/** Pixels of a strip of rows: what is drawn at once. */
const STRIP_PIXELS = 2 ** 22;

export async function decodeWebPicture(picture: WebPicture): Promise<Decoded> {
  if (picture instanceof Blob) return await decodeFile(picture);
  if (picture instanceof ImageBitmap) return await drawn(picture, 'the picture');
  const channels = 'channels' in picture ? picture.channels : 4;
  const { data, width, height } = picture;
  const bytes = data;
  return { ...rowsOf(checkRaw({ data: bytes, width, height, channels }, 'the picture')), close: () => undefined };
}

async function decodeFile(file: Blob): Promise<Decoded> {
  const name = file instanceof File && file.name !== '' ? file.name : 'the picture';
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const format = checkFormat(head, formats, name);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, decoding);
  } catch (cause) {
    throw new InputError(`${name} is damaged, cut off or too large for this browser; get the picture again`, { cause });
  }
  return await drawn(bitmap, name, types[format] === undefined ? null : { file, type: types[format] });
}

/**
 * A canvas keeps no colour where a picture is transparent. There a decoder of pixels is asked where the browser has one.
 *
 * @param source the file, where it may be transparent
 */
async function drawn(
  bitmap: ImageBitmap,
  name: string,
  source: { readonly file: Blob; readonly type: string } | null = null,
): Promise<Decoded> {
  const { width, height } = bitmap;
  try {
    checkSize(bitmap, name);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  const rowsAtOnce = Math.max(1, Math.min(height, Math.floor(STRIP_PIXELS / width)));
  const context = new OffscreenCanvas(width, rowsAtOnce).getContext('2d', { willReadFrequently: true });
  if (!context) throw new InputError(`${name}: there is not enough memory for ${width}×${height} pixels`);
  const read = (from: number, to: number): Uint8ClampedArray => {
    context.clearRect(0, 0, width, rowsAtOnce);
    context.drawImage(bitmap, 0, -from);
    return context.getImageData(0, 0, width, to - from).data;
  };
  if (source && isTransparent(read, height, rowsAtOnce)) {
    const pixels = await decodedPixels(source, width, height);
    if (pixels) {
      bitmap.close();
      return { ...rowsOf({ data: pixels, width, height, channels: 4 }), close: () => undefined };
    }
  }
  let strip: { readonly from: number; readonly to: number; readonly data: Uint8ClampedArray } = {
    from: 0,
    to: 0,
    data: new Uint8ClampedArray(),
  };
  return {
    width,
    height,
    channels: 4,
    rows: (from, to) => {
      if (from < strip.from || to > strip.to) {
        const end = Math.min(height, Math.max(to, from + rowsAtOnce));
        strip = { from, to: end, data: read(from, end) };
      }
      return strip.data.subarray(4 * width * (from - strip.from), 4 * width * (to - strip.from));
    },
    close: () => {
      bitmap.close();
    },
  };
}

function isTransparent(
  read: (from: number, to: number) => Uint8ClampedArray,
  height: number,
  rowsAtOnce: number,
): boolean {
  for (let from = 0; from < height; from += rowsAtOnce) {
    const data = read(from, Math.min(height, from + rowsAtOnce));
    for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha]! < 255) return true;
  }
  return false;
}

/** A frame of WebCodecs, as far as it is used here. */
interface Frame {
  readonly displayWidth: number;
  readonly displayHeight: number;
  readonly rotation?: number;
  readonly flip?: boolean;
  copyTo(pixels: Uint8Array, options: { readonly format: 'RGBA' }): Promise<unknown>;
  close(): void;
}

type DecoderClass = new (init: object) => { decode(): Promise<{ readonly image: Frame }>; close(): void };

/** RGBA with the colours below transparency; null where the browser cannot, or the picture is turned. */
async function decodedPixels(
  { file, type }: { readonly file: Blob; readonly type: string },
  width: number,
  height: number,
): Promise<Uint8Array | null> {
  const { ImageDecoder } = globalThis as { readonly ImageDecoder?: DecoderClass };
  if (!ImageDecoder) return null;
  try {
    const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type, ...decoding });
    const { image } = await decoder.decode();
    try {
      const isTurned = (image.rotation ?? 0) !== 0 || image.flip === true;
      if (isTurned || image.displayWidth !== width || image.displayHeight !== height) return null;
      const pixels = new Uint8Array(4 * width * height);
      await image.copyTo(pixels, { format: 'RGBA' });
      return pixels;
    } finally {
      image.close();
      decoder.close();
    }
  } catch {
    return null;
  }
}
