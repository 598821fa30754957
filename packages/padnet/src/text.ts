/** Bytes that are to be text: UTF-8. */
import { InputError } from './errors.js';

const [LINE_FEED, RETURN, QUOTE] = [0x0a, 0x0d, 0x22];

/**
 * Without a byte-order mark.
 *
 * @param file what messages call it
 * @throws InputError if it is UTF-16, or holds NUL or a byte that is not UTF-8, naming the line
 */
export function checkText(bytes: Buffer, file: string): Buffer {
  const mark = [bytes[0], bytes[1]].join();
  if (mark === '255,254' || mark === '254,255')
    throw new InputError(`${file}: is UTF-16, expected UTF-8; save it as UTF-8 (a spreadsheet's "CSV UTF-8")`);
  const text = bytes.subarray(bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  const nul = text.indexOf(0);
  if (nul !== -1) {
    const line = splitLines(text.subarray(0, nul + 1), 'latin1').length;
    throw new InputError(`${file}: line ${line} holds the character NUL; is it a text file?`);
  }
  if (!isUtf8(text)) {
    const line = splitLines(text, 'latin1').findIndex((each) => !isUtf8(Buffer.from(each, 'latin1'))) + 1;
    throw new InputError(`${file}: line ${line} holds a byte that is not UTF-8; convert the file to UTF-8`);
  }
  return text;
}

/**
 * Whether CR alone ends lines, as in files of old Macintoshes: where it ends the first one. Elsewhere one may stand in
 * a text.
 *
 * @param quotes whether ends of lines in quotes are none
 */
export function endsInReturn(bytes: Buffer, quotes = false): boolean {
  let isQuoted = false;
  for (const [place, byte] of bytes.entries()) {
    if (quotes && byte === QUOTE) isQuoted = !isQuoted;
    if (isQuoted || (byte !== LINE_FEED && byte !== RETURN)) continue;
    return byte === RETURN && bytes[place + 1] !== LINE_FEED;
  }
  return false;
}

/** Without their ends, and without the empty one after the last. */
export function splitLines(bytes: Buffer, encoding: 'utf8' | 'latin1' = 'utf8'): string[] {
  const lines = bytes.toString(encoding).split(endsInReturn(bytes) ? /\r\n|\r|\n/ : /\r?\n|\r$/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
