/** Gzip data, expanded up to a bound: a small file may promise gigabytes. */
import { constants, gunzipSync } from 'node:zlib';

import { InputError } from '../errors.js';

/** Told apart by its contents. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function gzipError(file: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError(`${file}: the gzip data are cut off or damaged (${reason}); get the file again`, { cause });
}

/**
 * The bytes that the data expand to.
 *
 * @param maxBytes an upper bound of the memory that is used
 * @param tooLong the error where the data expand to more
 * @throws InputError where the data are cut off, damaged or followed by anything else
 */
export function gunzip(bytes: Uint8Array, file: string, maxBytes: number, tooLong: () => InputError): Uint8Array {
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } };
  try {
    // With `info`, Node returns the engine too, which knows how much of the input it used; @types/node does not say so.
    result = gunzipSync(bytes, {
      info: true,
      maxOutputLength: Math.max(maxBytes, 1),
      chunkSize: Math.min(1 << 20, Math.max(maxBytes, constants.Z_MIN_CHUNK)),
    }) as unknown as typeof result;
  } catch (cause) {
    throw cause instanceof RangeError ? tooLong() : gzipError(file, cause);
  }
  if (result.buffer.length > maxBytes) throw tooLong();
  const trailing = bytes.length - result.engine.bytesWritten;
  if (trailing > 0) {
    throw new InputError(
      `${file}: expected the end of the gzip data, found ${trailing} more bytes; get the file again`,
    );
  }
  return result.buffer;
}

/** Compressed bytes that surely hold the longest sensible header, and expand to about 1 MiB at most. */
const peekBytes = 1024;

/** The bytes that the beginning of the data expands to. @throws InputError where it is damaged */
export function gunzipStart(bytes: Uint8Array, file: string): Uint8Array {
  try {
    return gunzipSync(bytes.subarray(0, peekBytes), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw gzipError(file, cause);
  }
}

/** Deflate writes 258 bytes with two bits at best. */
const maxRatio = 1032;

/** From here on it is worth asking beforehand; smaller files get a more exact message from expanding them. */
const largeBytes = 2 ** 28;

/**
 * Refuses data that are cut off before they are expanded to gigabytes: they are too few for what they should hold, or
 * their last four bytes, which say what they expand to, say something else.
 *
 * @param expected bytes that they should expand to
 * @throws InputError
 */
export function checkGzipLength(bytes: Uint8Array, file: string, expected: number): void {
  if (expected > maxRatio * bytes.length)
    throw gzipError(file, `${bytes.length} bytes cannot hold the ${expected} that its header announces`);
  if (expected < largeBytes) return;
  const end = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true);
  if (end === expected % 2 ** 32) return;
  const reason = `its header announces ${expected} bytes, its end does not`;
  throw gzipError(file, `${reason}; a file of several parts has to be expanded first`);
}
