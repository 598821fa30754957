/** Bytes that are to be text: UTF-8. */
import { InputError } from './errors.js';

const LINE_FEED = 0x0a;

/** Without a byte-order mark. @param file what messages call it. @throws InputError if it is UTF-16, or holds NUL or a byte that is not UTF-8, naming the line */
export function checkText(bytes: Buffer, file: string): Buffer {
  const mark = [bytes[0], bytes[1]].join();
  if (mark === '255,254' || mark === '254,255')
    throw new InputError(`${file}: is UTF-16, expected UTF-8; save it as UTF-8 (a spreadsheet's "CSV UTF-8")`);
  const text = bytes.subarray(bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  const nul = text.indexOf(0);
  if (nul !== -1)
    throw new InputError(`${file}: line ${lineAt(text, nul)} holds the character NUL; is it a file of text?`);
  if (!isUtf8(text)) {
    const line = splitLines(text).findIndex((each) => !isUtf8(each)) + 1;
    throw new InputError(`${file}: line ${line} holds a byte that is not UTF-8; convert the file to UTF-8`);
  }
  return text;
}

/** The number of the line, from 1, that this byte is in. */
export function lineAt(bytes: Buffer, place: number): number {
  let line = 1;
  for (let at = bytes.indexOf(LINE_FEED); at !== -1 && at < place; at = bytes.indexOf(LINE_FEED, at + 1)) line++;
  return line;
}

/** Undecoded, and without the empty one after the last line's end: a byte that is not UTF-8 must not hide which line it is in. */
export function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start);
    const stop = end === -1 ? bytes.length : end;
    lines.push(bytes.subarray(start, stop));
    start = stop + 1;
  }
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
