/**
 * The header of a safetensors file: a JSON object that says for each tensor what it is and where its bytes are, counted
 * from the header's end. Format: https://github.com/huggingface/safetensors#format. Pure functions; no file, no tensor.
 */
import type { DType } from '../dtype.js';

/** A file that is no valid safetensors file, or cannot be read or written. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** Texts beside the tensors, by name. */
export type Metadata = Readonly<Record<string, string>>;

/** A tensor in the file; `begin` and `end` count bytes from the header's end. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Metadata;
}

/** The length of the header, a little-endian uint64, comes before it. */
export const lengthBytes = 8;
/** The longest header that the reference implementation accepts. */
export const maxHeaderBytes = 100_000_000;
/** libtorch's operators know no more. */
const maxDimensions = 64;

const formats = {
  F64: { dtype: 'float64', bytes: 8 },
  I64: { dtype: 'int64', bytes: 8 },
  F32: { dtype: 'float32', bytes: 4 },
  I32: { dtype: 'int32', bytes: 4 },
  F16: { dtype: 'float16', bytes: 2 },
  BF16: { dtype: 'bfloat16', bytes: 2 },
  I16: { dtype: 'int16', bytes: 2 },
  I8: { dtype: 'int8', bytes: 1 },
  U8: { dtype: 'uint8', bytes: 1 },
  BOOL: { dtype: 'bool', bytes: 1 },
} as const satisfies Record<string, { readonly dtype: DType; readonly bytes: number }>;

type Format = keyof typeof formats;

const formatNames = Object.keys(formats) as Format[];

/**
 * Lays tensors out: those of wide elements first (so that each begins at a multiple of its element's size), then by
 * name. The same tensors and metadata give the same bytes, in whatever order they come.
 *
 * @returns the header's bytes with its length before it, and where each tensor goes
 * @throws SafetensorsError where a dtype or a name cannot be stored
 */
export function layOut(
  tensors: Iterable<readonly [name: string, tensor: { readonly dtype: DType; readonly shape: readonly number[] }]>,
  metadata: Metadata,
): { readonly head: Uint8Array; readonly entries: readonly TensorEntry[] } {
  const wanted = Array.from(tensors, ([name, { dtype, shape }]) => {
    const format = formatNames.find((candidate) => formats[candidate].dtype === dtype);
    if (format === undefined) throw new SafetensorsError(`tensor ${quote(name)}: ${dtype} cannot be stored`);
    if (name === '__metadata__') throw new SafetensorsError(`a tensor cannot be named '__metadata__'`);
    checkText(name);
    return { name, format, shape };
  });
  wanted.sort((a, b) => formats[b.format].bytes - formats[a.format].bytes || compareText(a.name, b.name));

  const parts: string[] = [];
  const texts = Object.entries(metadata).sort(([a], [b]) => compareText(a, b));
  for (const [key, value] of texts) {
    checkText(key);
    checkText(value);
  }
  if (texts.length > 0) {
    const pairs = texts.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    parts.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let begin = 0;
  const entries: TensorEntry[] = [];
  for (const { name, format, shape } of wanted) {
    const end = begin + shape.reduce((product, size) => product * size, formats[format].bytes);
    const value = { dtype: format, shape, data_offsets: [begin, end] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
    entries.push({ name, dtype: formats[format].dtype, shape, begin, end });
    begin = end;
  }
  return { head: withLength(`{${parts.join(',')}}`), entries };
}

/** Pads with spaces to a multiple of 8, so that the data are aligned. */
function withLength(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > maxHeaderBytes) {
    throw new SafetensorsError(`the header would have ${length} bytes, more than the ${maxHeaderBytes} allowed`);
  }
  const head = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(text, lengthBytes);
  return head;
}

/**
 * The length that a file begins with.
 *
 * @param fileBytes the size of the whole file
 * @throws SafetensorsError where the header would not fit the file, or the limit
 */
export function headerLength(firstBytes: Uint8Array, fileBytes: number): number {
  if (fileBytes < lengthBytes) {
    throw new SafetensorsError(`has ${fileBytes} bytes, expected at least the ${lengthBytes} of the header's length`);
  }
  const length = new DataView(firstBytes.buffer, firstBytes.byteOffset).getBigUint64(0, true);
  const room = fileBytes - lengthBytes;
  if (length > BigInt(Math.min(room, maxHeaderBytes))) {
    const limit = room < maxHeaderBytes ? `only ${room} bytes follow` : `at most ${maxHeaderBytes} are allowed`;
    throw new SafetensorsError(`wrong header length: ${length} bytes, but ${limit}`);
  }
  return Number(length);
}

/**
 * Reads a header and checks all that the format asks: the tensors' bytes must follow each other without gap or overlap
 * and fill the data.
 *
 * @param dataBytes how many bytes follow the header
 * @throws SafetensorsError naming the tensor, what is there and what was expected
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number): Header {
  const { __metadata__: texts, ...infos } = parseObject(bytes);
  const metadata = texts === undefined ? {} : parseMetadata(texts);
  const entries = Object.entries(infos).map(([name, info]) => parseEntry(name, info));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  let previous = 'the header';
  for (const { name, begin, end } of entries) {
    const tensor = `tensor ${quote(name)}`;
    if (begin < position) throw new SafetensorsError(`${tensor} begins at byte ${begin} and overlaps ${previous}`);
    if (begin > position) {
      throw new SafetensorsError(`${tensor} begins at byte ${begin}, expected ${position}, right after ${previous}`);
    }
    if (end > dataBytes) {
      throw new SafetensorsError(`${tensor} ends at byte ${end}, but there are only ${dataBytes} bytes of data`);
    }
    position = end;
    previous = tensor;
  }
  if (position < dataBytes) {
    throw new SafetensorsError(`${dataBytes - position} bytes follow the last tensor, expected none`);
  }
  return { entries, metadata };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError('the header is not JSON in UTF-8', { cause: error });
  }
  if (!text.startsWith('{') || !isRecord(parsed)) throw new SafetensorsError(`the header does not begin with '{'`);
  const twice = duplicateKey(text);
  if (twice !== null) throw new SafetensorsError(`the header has the key ${quote(twice)} twice`);
  return parsed;
}

function parseMetadata(texts: unknown): Metadata {
  if (isRecord(texts)) {
    const entries = Object.entries(texts);
    const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === 'string';
    if (entries.every(isText)) return Object.fromEntries(entries);
  }
  throw new SafetensorsError('__metadata__ must be an object of texts');
}

function parseEntry(name: string, info: unknown): TensorEntry {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`tensor ${quote(name)}: ${problem}`);
  };
  if (!isRecord(info)) return fail('expected an object with dtype, shape and data_offsets');
  const { dtype: format, shape, data_offsets: offsets, ...others } = info;
  const [unknownKey] = Object.keys(others);
  if (unknownKey !== undefined) {
    return fail(`unknown key ${quote(unknownKey)}, known are dtype, shape and data_offsets`);
  }
  if (!isFormat(format)) return fail(`unknown dtype ${quote(format)}, known are ${formatNames.join(', ')}`);
  if (!isSizes(shape) || shape.length > maxDimensions) {
    return fail(`the shape ${quote(shape)} is no list of at most ${maxDimensions} whole numbers of at least 0`);
  }
  // Sizes beside a zero count too: strides are made of them.
  const largest = shape.reduce((product, size) => product * Math.max(size, 1), 1);
  if (largest * formats[format].bytes > Number.MAX_SAFE_INTEGER) return fail(`the shape ${quote(shape)} is too large`);
  const [begin, end, ...more] = isSizes(offsets) ? offsets : [];
  if (begin === undefined || end === undefined || more.length > 0) {
    return fail(`data_offsets ${quote(offsets)} are no pair of whole numbers of at least 0`);
  }
  const expected = shape.reduce((product, size) => product * size, formats[format].bytes);
  if (end - begin !== expected) {
    return fail(`has ${end - begin} bytes, expected ${expected} for ${format} [${shape.join(', ')}]`);
  }
  return { name, dtype: formats[format].dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFormat(value: unknown): value is Format {
  return typeof value === 'string' && Object.hasOwn(formats, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The first key that an object in valid JSON text has twice; `JSON.parse` would keep the last and say nothing. */
function duplicateKey(text: string): string | null {
  const levels: (Set<string> | null)[] = []; // keys of the enclosing objects; null for arrays
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"': {
        const start = i++;
        while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
        const keys = levels.at(-1);
        if (expectKey && keys) {
          const key = JSON.parse(text.slice(start, i + 1)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
        }
        expectKey = false;
        break;
      }
      case '{':
        levels.push(new Set());
        expectKey = true;
        break;
      case '[':
        levels.push(null);
        expectKey = false;
        break;
      case '}':
      case ']':
        levels.pop();
        expectKey = false;
        break;
      case ',':
        expectKey = levels.at(-1) !== null;
        break;
    }
  }
  return null;
}

/** In JSON, on one line, shortened: for messages. */
function quote(value: unknown): string {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- undefined for undefined, as no type says
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function checkText(text: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new SafetensorsError(`the text ${quote(text)} is not valid Unicode`);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
