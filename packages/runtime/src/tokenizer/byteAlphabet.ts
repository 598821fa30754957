/**
 * Byte-level tokenizers write each byte of UTF-8 as a visible character: itself where it is one, else one from U+0100
 * on.
 */
import { isAscii } from './characters.js';

const isVisible = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);

let invisible = 0;
const alphabet = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(isVisible(byte) ? byte : 0x100 + invisible++),
);

const asciiToChange = /[^!-~]/g;

const encoder = new TextEncoder();

export function bytesAsCharacters(text: string): string {
  if (isAscii(text)) return text.replace(asciiToChange, (letter) => alphabet[letter.charCodeAt(0)]!);
  return Array.from(encoder.encode(text), (byte) => alphabet[byte]!).join('');
}
