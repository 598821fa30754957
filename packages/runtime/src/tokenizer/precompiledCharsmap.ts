/**
 * Sentencepiece's `precompiled_charsmap`: a double array of byte strings (Darts), each leaf with a place in the
 * replacements, which lie behind it with a zero after each.
 */
import { InputError } from '../errors.js';
import { isAscii } from './characters.js';
import { graphemeClusters } from './graphemeClusters.js';

/** Longer clusters are looked up one code point at a time. */
const MAX_CLUSTER_BYTES = 5;

/**
 * Replaces every grapheme cluster, or where the table has none of its beginnings, every code point of it. As in Hugging
 * Face's tokenizers, the shortest beginning that the table has decides, and takes the place of the whole.
 *
 * @param base64 the table
 * @throws InputError where it is none
 */
export function precompiledNormalizer(base64: string): (text: string) => string {
  const { units, replacements } = decode(Buffer.from(base64, 'base64'));
  const replacementOf = (text: string): string | null => {
    const place = shortestPrefix(units, encoder.encode(text));
    if (place === null) return null;
    const end = replacements.indexOf(0, place);
    return replacements.toString('utf8', place, end === -1 ? replacements.length : end);
  };
  const known = new Map<string, string>();
  const replaced = (cluster: string): string => {
    const found = known.get(cluster);
    if (found !== undefined) return found;
    const whole = Buffer.byteLength(cluster) <= MAX_CLUSTER_BYTES ? replacementOf(cluster) : null;
    const text = whole ?? Array.from(cluster, (letter) => replacementOf(letter) ?? letter).join('');
    if (known.size < MAX_KNOWN) known.set(cluster, text);
    return text;
  };
  const ascii = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code));
  // In ASCII only a carriage return is ever part of a cluster of two.
  const staying = new Set(ascii.filter((letter) => letter !== '\r' && replacementOf(letter) === null));
  return (text) =>
    isAscii(text) && Array.from(text).every((letter) => staying.has(letter))
      ? text
      : graphemeClusters(text).map(replaced).join('');
}

/** Texts have few different clusters. */
const MAX_KNOWN = 10_000;

const encoder = new TextEncoder();

interface Charsmap {
  readonly units: Uint32Array;
  readonly replacements: Buffer;
}

function decode(bytes: Buffer): Charsmap {
  const size = bytes.length < 4 ? NaN : bytes.readUInt32LE(0);
  if (!(size % 4 === 0 && size > 0 && 4 + size <= bytes.length))
    throw new InputError('precompiled_charsmap is cut off or damaged');
  const units = Uint32Array.from({ length: size / 4 }, (_, index) => bytes.readUInt32LE(4 + 4 * index));
  return { units, replacements: bytes.subarray(4 + size) };
}

/** The value of the shortest key that `bytes` begin with; null where none does. */
function shortestPrefix(units: Uint32Array, bytes: Uint8Array): number | null {
  const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let position = offset(units[0]!);
  for (const byte of bytes) {
    position ^= byte;
    const unit = units[position] ?? 0;
    if (byte === 0 || (unit & 0x800000ff) >>> 0 !== byte) return null;
    position ^= offset(unit);
    if ((unit & 0x100) !== 0) return (units[position] ?? 0) & 0x7fffffff;
  }
  return null;
}
