/** Tensors in safetensors files: an own reader and writer of https://github.com/huggingface/safetensors#format. */
import { empty } from '../creation.js';
import { native } from '../native.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { writeFileAtomically } from './atomicFile.js';
import { withRegularFile, type ReadBytes } from './regularFile.js';
import {
  headerLength,
  layOut,
  lengthBytes,
  parseHeader,
  SafetensorsError,
  type Metadata,
  type TensorEntry,
} from './safetensorsHeader.js';
import { systemErrorText } from './systemError.js';

export { SafetensorsError, type Metadata } from './safetensorsHeader.js';

/** Tensors by name. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

export interface Safetensors {
  /** In the order of their bytes. New tensors on the CPU: they belong to the enclosing scope, as any others. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Metadata;
}

/**
 * Writes tensors of any device and layout to `file`, atomically: after an error, a full disk or a crash the old file is
 * still there. The same tensors give the same bytes.
 *
 * @throws SafetensorsError in one line with the file's name; nothing was changed then
 */
export function saveSafetensors(file: string, tensors: NamedTensors, metadata: Metadata = {}): void {
  explain(file, 'could not be saved', () => {
    const named = toMap(tensors);
    const { head, entries } = layOut(named, metadata);
    writeFileAtomically(file, (write) => {
      write(head);
      for (const entry of entries) withBytes(named.get(entry.name)!, write);
    });
  });
}

/**
 * The bytes of the file that `saveSafetensors` would write.
 *
 * @throws SafetensorsError where a tensor cannot be stored
 */
export function encodeSafetensors(tensors: NamedTensors, metadata: Metadata = {}): Uint8Array {
  const named = toMap(tensors);
  const { head, entries } = layOut(named, metadata);
  const encoded = new Uint8Array(head.length + (entries.at(-1)?.end ?? 0));
  encoded.set(head);
  for (const { name, begin } of entries) {
    withBytes(named.get(name)!, (bytes) => {
      encoded.set(bytes, head.length + begin);
    });
  }
  return encoded;
}

/**
 * Reads `file` straight into new tensors. Everything is checked before they are allocated, so that no more memory is
 * used than the file is large.
 *
 * @throws SafetensorsError in one line with the names of file and tensor, and what was expected; no tensor is left then
 */
export function loadSafetensors(file: string): Safetensors {
  return explain(file, 'could not be read', () => withRegularFile(file, SafetensorsError, read));
}

/**
 * The tensors in the bytes of a safetensors file, copied.
 *
 * @param label stands for the file's name in errors
 * @throws SafetensorsError as `loadSafetensors`
 */
export function decodeSafetensors(bytes: Uint8Array, label = 'safetensors'): Safetensors {
  return explain(label, 'could not be decoded', () =>
    read(bytes.byteLength, (target, position) => {
      target.set(bytes.subarray(position, position + target.byteLength));
    }),
  );
}

function read(fileBytes: number, readBytes: ReadBytes): Safetensors {
  const first = new Uint8Array(lengthBytes);
  if (fileBytes >= lengthBytes) readBytes(first, 0);
  const header = new Uint8Array(headerLength(first, fileBytes));
  readBytes(header, lengthBytes);
  const dataStart = lengthBytes + header.byteLength;
  const { entries, metadata } = parseHeader(header, fileBytes - dataStart);
  return scope(() => {
    const tensors = new Map(entries.map((entry) => [entry.name, readTensor(entry, readBytes, dataStart)]));
    return { tensors, metadata };
  });
}

function readTensor({ name, dtype, shape, begin, end }: TensorEntry, readBytes: ReadBytes, dataStart: number): Tensor {
  const tensor = empty(shape, { dtype });
  if (end === begin) return tensor;
  const bytes = new Uint8Array(native.bytes(tensor.handle));
  readBytes(bytes, dataStart + begin);
  const wrong = dtype === 'bool' ? bytes.findIndex((byte) => byte > 1) : -1;
  if (wrong >= 0) {
    throw new SafetensorsError(
      `tensor ${JSON.stringify(name)}: element ${wrong} is the byte ${bytes[wrong]!}, expected 0 or 1 for BOOL`,
    );
  }
  return tensor;
}

/** Calls `use` with the bytes of a tensor in row-major order: its own memory where it lies so on the CPU. */
function withBytes(tensor: Tensor, use: (bytes: Uint8Array) => void): void {
  scope(() => {
    const plain = tensor.toPlain();
    if (plain.numel > 0) use(new Uint8Array(native.bytes(plain.handle)));
  });
}

function toMap(tensors: NamedTensors): ReadonlyMap<string, Tensor> {
  return tensors instanceof Map ? (tensors as ReadonlyMap<string, Tensor>) : new Map(Object.entries(tensors));
}

/** Runs `body`; whatever it throws becomes a `SafetensorsError` of one line that begins with the file's name. */
function explain<T>(file: string, failed: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const reason = systemErrorText(error) ?? (error instanceof Error ? error.message : String(error));
    const [message = ''] = reason.split('\n');
    const text = error instanceof SafetensorsError ? message : `${failed}: ${message}`;
    throw new SafetensorsError(`${file}: ${text}`, { cause: error });
  }
}
