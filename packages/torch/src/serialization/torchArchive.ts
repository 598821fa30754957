/**
 * Tensors in files of `torch.save`, such as `pytorch_model.bin` or torchvision's `.pth`: a zip archive with a pickle
 * that says what is where, and one entry for the elements of each storage; or before PyTorch 1.6 a stream
 * (`torchStream.ts`). Nothing in the file is executed.
 */
import { crc32 } from 'node:zlib';
import AdmZip from 'adm-zip';
import { empty } from '../creation.js';
import { dtypes, isDType, itemSize, type DType } from '../dtype.js';
import { native } from '../native.js';
import * as ops from '../ops.generated.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { withRegularFile } from './regularFile.js';
import { systemErrorText } from './systemError.js';
import { TorchArchiveError } from './torchArchiveError.js';
import { readPickle, StoredTensor, UnreadTensor, type PickleValue, type StoredStorage } from './torchArchivePickle.js';
import { readTorchStream } from './torchStream.js';

export { TorchArchiveError } from './torchArchiveError.js';

/** A state dict is flat; a checkpoint has a few levels around it. */
const maxDepth = 32;
/** Far beyond any network's tensors, so that a small file whose parts refer to each other cannot grow without end. */
const maxValues = 1_000_000;
/** Characters of all names together, for the same reason. */
const maxNameCharacters = 2 ** 26;
/** Bytes of the pickle, of which one may make an object of hundreds; a tensor takes about a hundred. */
const maxPickle = 2 ** 22;
/**
 * Elements that an expanded tensor (of stride 0) may have: a small file must not fill the memory of whoever copies it.
 */
const maxRepeated = 2 ** 24;

/**
 * The tensors of a file that `torch.save` wrote, such as torchvision's `.pth` or `pytorch_model.bin`.
 *
 * @throws TorchArchiveError as `decodeTorchArchive`, and where there is no such file, or it can't be read
 */
export function loadTorchArchive(file: string): Map<string, Tensor> {
  let bytes: Uint8Array;
  try {
    bytes = withRegularFile(file, TorchArchiveError, (size, read) => {
      const all = new Uint8Array(size);
      read(all, 0);
      return all;
    });
  } catch (error) {
    const text = systemErrorText(error);
    const { message } = error as Error;
    throw new TorchArchiveError(`${file}: ${text === null ? message : `could not be read: ${text}`}`, { cause: error });
  }
  return decodeTorchArchive(bytes, file);
}

/**
 * The tensors in the bytes of a file that `torch.save` wrote from a dictionary of them. Those of inner dictionaries and
 * lists are named by their path (`model.weight`, `layers.0`); other values are left out. Tensors that share a storage
 * in the file share memory, but for those that PyTorch conjugates or negates only when they are read. New tensors on
 * the CPU: they belong to the enclosing scope.
 *
 * @param file what messages call it
 * @throws TorchArchiveError in one line, where the file is damaged or names code, or a tensor is of a kind or type that
 *   is not read: sparse, quantised, nested, without elements, or one of PyTorch 2's types such as uint16 and float8
 */
export function decodeTorchArchive(bytes: Uint8Array, file = 'torch archive'): Map<string, Tensor> {
  try {
    return scope(() => {
      const { root, elements } = bytes[0] === 0x80 ? openStream(bytes) : openArchive(bytes);
      const stored = collectTensors(root);
      const storages = new Map<string, Tensor>();
      let storageBytes = 0;
      let changed = 0;
      const storageOf = (storage: StoredStorage, dtype: DType): Tensor => {
        const key = `${storage.key} ${dtype} ${storage.numel}`;
        const known = storages.get(key);
        if (known) return known;
        const read = readStorage(storage, dtype, elements(storage.key));
        storageBytes += read.byteLength;
        if (storageBytes > bytes.length) throw new TorchArchiveError('damaged, its storages overlap');
        storages.set(key, read);
        return read;
      };
      return new Map(
        Array.from(stored, ([name, tensor]) => {
          const view = viewOf(tensor, storageOf, name);
          const { conj, neg } = tensor.lazy;
          if (!conj && !neg) return [name, view];
          changed += view.numel;
          if (changed > Math.max(bytes.length, maxRepeated)) throw new TorchArchiveError('damaged, its tensors repeat');
          const plain = conj ? ops.conjPhysical(view) : view;
          return [name, neg ? ops.neg(plain) : plain];
        }),
      );
    });
  } catch (error) {
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    const text = error instanceof TorchArchiveError ? message : `damaged, it could not be read (${message})`;
    throw new TorchArchiveError(`${file}: ${text}`, { cause: error });
  }
}

/** Entries that say how the others are to be read, and what they say in files that are read here. */
const records: Readonly<Record<string, readonly string[]>> = {
  byteorder: ['little'],
  version: Array.from({ length: 10 }, (_, i) => String(i + 1)), // of the archive: those that PyTorch 2.15 reads
  '.format_version': ['1', '2'], // 1 says in which order storages come, 2 how they are aligned
};

interface TorchFile {
  /** The value that was saved. */
  readonly root: PickleValue;
  /** The contents of a storage, as bytes. @throws TorchArchiveError where there is no such storage, or it is damaged */
  readonly elements: (key: string) => Uint8Array;
}

function openStream(bytes: Uint8Array): TorchFile {
  const { root, storages } = readTorchStream(bytes, maxPickle);
  return {
    root,
    elements: (key) => {
      const elements = storages.get(key);
      if (!elements) throw new TorchArchiveError(`damaged, its storage ${key} is missing`);
      return elements;
    },
  };
}

/** All entries lie in one folder, whose name is that which the file had when it was saved. */
function openArchive(bytes: Uint8Array): TorchFile {
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) throw new TorchArchiveError('is no file of torch.save, a zip archive');
  const zip = new AdmZip(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { noSort: true });
  const listed = zip.getEntries();
  const entries = new Map(listed.map((entry) => [entry.entryName, entry]));
  if (entries.size < listed.length) throw new TorchArchiveError('damaged, it has two entries of one name');
  const folders = [...entries.keys()].flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.[1] ?? []);
  const [folder, another] = folders;
  if (folder === undefined || another !== undefined)
    throw new TorchArchiveError('is no file of torch.save: no data.pkl');
  const read = (name: string): Uint8Array => {
    const entry = entries.get(folder + name);
    if (!entry) throw new TorchArchiveError(`damaged, its entry ${name} is missing`);
    const { method, size, compressedSize, crc } = entry.header;
    if (method !== 0 || size !== compressedSize) {
      throw new TorchArchiveError(`its entry ${name} is compressed, which torch.save never does; save it again`);
    }
    const data = entry.getCompressedData();
    // Zero is what PyTorch writes where it computes none (`torch.serialization.set_crc32_options(False)`).
    if (crc !== 0 && crc32(data) !== crc)
      throw new TorchArchiveError(`damaged, the checksum of its entry ${name} is wrong`);
    return data;
  };
  for (const [name, expected] of Object.entries(records)) {
    const found = entries.has(folder + name) ? new TextDecoder().decode(read(name)).trim() : null;
    if (found !== null && !expected.includes(found)) {
      throw new TorchArchiveError(
        `its entry ${name} says ${JSON.stringify(found.slice(0, 20))}, expected ${expected.join(' or ')}; ` +
          'save it again with another version of PyTorch, on a little-endian machine',
      );
    }
  }
  const pickle = read('data.pkl');
  if (pickle.length > maxPickle) {
    throw new TorchArchiveError(`its pickle has ${pickle.length} bytes, far too many; save a state_dict() alone`);
  }
  return { root: readPickle(pickle), elements: (key) => read(`data/${key}`) };
}

function collectTensors(root: PickleValue): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  let values = 0;
  let nameCharacters = 0;
  const visit = (value: PickleValue, path: readonly string[]): void => {
    if (++values > maxValues || path.length > maxDepth) {
      throw new TorchArchiveError('is nested too deeply, or within itself; save a state_dict() alone');
    }
    if (value instanceof UnreadTensor) {
      throw new TorchArchiveError(`tensor ${JSON.stringify(path.join('.'))} ${value.reason}`);
    } else if (value instanceof StoredTensor) {
      nameCharacters += path.reduce((sum, part) => sum + part.length + 1, 0);
      if (nameCharacters > maxNameCharacters)
        throw new TorchArchiveError('damaged, the names of its tensors are endless');
      const name = path.join('.');
      if (found.has(name)) throw new TorchArchiveError(`two of its tensors are named ${JSON.stringify(name)}`);
      found.set(name, value);
    } else if (value instanceof Map) {
      for (const [key, child] of value as ReadonlyMap<PickleValue, PickleValue>) {
        if (typeof key === 'string' || typeof key === 'number') visit(child, [...path, String(key)]);
      }
    } else if (Array.isArray(value)) {
      (value as readonly PickleValue[]).forEach((child, index) => {
        visit(child, [...path, String(index)]);
      });
    }
  };
  visit(root, []);
  return found;
}

function readStorage({ key, numel }: StoredStorage, dtype: DType, bytes: Uint8Array): Tensor {
  if (bytes.length !== numel * itemSize(dtype)) {
    throw new TorchArchiveError(`damaged, data/${key} has ${bytes.length} bytes, expected ${numel} of ${dtype}`);
  }
  if (dtype === 'bool' && bytes.some((byte) => byte > 1)) {
    throw new TorchArchiveError(`damaged, data/${key} has other bytes than 0 and 1, expected booleans`);
  }
  const storage = empty([numel], { dtype });
  if (numel > 0) new Uint8Array(native.bytes(storage.handle)).set(bytes);
  return storage;
}

function viewOf(
  { storage, shape, stride, offset }: StoredTensor,
  storageOf: (storage: StoredStorage, dtype: DType) => Tensor,
  name: string,
): Tensor {
  if (!isDType(storage.type)) {
    throw new TorchArchiveError(
      `tensor ${JSON.stringify(name)} is of ${storage.type}, expected one of ${dtypes.join(', ')}; save it as one of ` +
        'them',
    );
  }
  const numel = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (stride[axis] ?? NaN), offset);
  const within = numel === 0 ? offset <= storage.numel : last < storage.numel;
  if (stride.length !== shape.length || !within) {
    throw new TorchArchiveError(`damaged, tensor ${JSON.stringify(name)} lies outside its storage`);
  }
  if (numel > Math.max(storage.numel, maxRepeated)) {
    throw new TorchArchiveError(
      `tensor ${JSON.stringify(name)} of [${shape.join(', ')}] repeats the ${storage.numel} elements of its storage, ` +
        'which is too large; save it contiguous()',
    );
  }
  return ops.asStrided(storageOf(storage, storage.type), shape, stride, { storageOffset: offset });
}
