/** What kind of file a picture is, by its first bytes: names and types that others give are not believed. */
import { InputError } from '../errors.js';

const signatures = [
  { format: 'JPEG', at: 0, bytes: '\xff\xd8\xff' },
  { format: 'PNG', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
  { format: 'GIF', at: 0, bytes: 'GIF8' },
  { format: 'WebP', at: 8, bytes: 'WEBP' },
  { format: 'AVIF', at: 4, bytes: 'ftypavif' },
  { format: 'AVIF', at: 4, bytes: 'ftypavis' },
  { format: 'HEIC', at: 4, bytes: 'ftyphei' },
  { format: 'HEIC', at: 4, bytes: 'ftyphev' },
  { format: 'HEIC', at: 4, bytes: 'ftypmif1' },
  { format: 'TIFF', at: 0, bytes: 'II*\0' },
  { format: 'TIFF', at: 0, bytes: 'MM\0*' },
  { format: 'BMP', at: 0, bytes: 'BM' },
  { format: 'PDF', at: 0, bytes: '%PDF' },
] as const;

export type PictureFormat = (typeof signatures)[number]['format'];

/** How many of the first bytes tell. */
export const HEAD_BYTES = 1024;

/**
 * @param head the first `HEAD_BYTES` bytes of a file, or all where it has fewer
 * @param known formats that can be decoded
 * @param name what messages call it
 * @throws InputError where it is none of them
 */
export function checkFormat(head: Uint8Array, known: readonly PictureFormat[], name: string): PictureFormat {
  if (head.length === 0) throw new InputError(`${name} is empty, expected a picture`);
  const text = String.fromCharCode(...head.subarray(0, HEAD_BYTES));
  const format = signatures.find(({ at, bytes }) => text.startsWith(bytes, at))?.format;
  if (format !== undefined && known.includes(format)) return format;
  const contents = format ?? (/<svg[\s>]/i.test(text) ? 'SVG' : 'not a picture');
  const expected = `expected ${known.slice(0, -1).join(', ')} or ${known.at(-1)!}`;
  throw new InputError(`${name}: its contents are ${contents}, ${expected}; save it as one of these`);
}
