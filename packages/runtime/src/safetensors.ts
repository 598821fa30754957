/** The compact form of a network, as a file of safetensors: names, types and places, then the numbers. */
import { InputError } from './errors.js';

const bytesOf = { F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1 } as const;
export type StoredType = keyof typeof bytesOf;

export interface StoredTensor {
  readonly type: StoredType;
  readonly shape: readonly number[];
  /** The numbers, in row-major order, little-endian. */
  readonly bytes: Uint8Array;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a file without copying it.
 *
 * @param name what messages call it
 * @throws InputError where it is damaged, cut off, or of another format
 */
export function readSafetensors(file: Uint8Array, name: string): Safetensors {
  const damaged = (problem: string, cause?: unknown): never => {
    throw new InputError(`${name} is damaged or cut off: ${problem}; get the file again`, { cause });
  };
  if (file.length < 8) return damaged(`it has ${file.length} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(file.length - 8)) return damaged(`its header should have ${length} bytes`);
  const start = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, start)));
  } catch (cause) {
    return damaged('its header is no JSON', cause);
  }
  if (!isRecord(header)) return damaged('its header is no object');
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isRecord(metadata)) return damaged('its metadata is no object');
  const tensors = new Map<string, StoredTensor>();
  const data = file.subarray(start);
  for (const [key, entry] of Object.entries(entries)) {
    const tensor = isRecord(entry) ? readTensor(entry, data) : null;
    if (tensor === null) return damaged(`tensor ${key} has a wrong type, shape or place`);
    tensors.set(key, tensor);
  }
  if (!isFilled([...tensors.values()], data)) return damaged('its tensors lie over each other, or leave gaps');
  const texts = Object.entries(metadata).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : []));
  return { tensors, metadata: Object.fromEntries(texts) as Record<string, string> };
}

function readTensor(entry: Readonly<Record<string, unknown>>, data: Uint8Array): StoredTensor | null {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !(dtype in bytesOf) || !isSizes(shape) || !isSizes(offsets)) return null;
  if (offsets.length !== 2) return null;
  const type = dtype as StoredType;
  const [from = 0, to = 0] = offsets;
  const size = shape.reduce((product, length) => product * length, bytesOf[type]);
  return to <= data.length && to - from === size ? { type, shape, bytes: data.subarray(from, to) } : null;
}

/** Whether tensors lie one after the other from the first byte to the last, as the format has it. */
function isFilled(tensors: readonly StoredTensor[], data: Uint8Array): boolean {
  let end = data.byteOffset;
  const ordered = tensors.map(({ bytes }) => bytes).sort((a, b) => a.byteOffset - b.byteOffset || a.length - b.length);
  for (const bytes of ordered) {
    if (bytes.byteOffset !== end) return false;
    end += bytes.length;
  }
  return end === data.byteOffset + data.length;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
