/**
 * The form that `torch.save` wrote before PyTorch 1.6, and still writes where it is asked to: five pickles one after
 * the other (magic number, version, the machine, the object, the keys of its storages), then each storage as its number
 * of elements (int64) and their bytes.
 */
import { isDType, itemSize } from '../dtype.js';
import { TorchArchiveError } from './torchArchiveError.js';
import { readPickleAt, type PickleValue, type StoredStorage } from './torchArchivePickle.js';

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

export interface TorchStream {
  readonly root: PickleValue;
  /** Elements of each storage by its key. */
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

/**
 * @param maxPickle bytes that the object's pickle may have
 * @throws TorchArchiveError where the file is damaged or names code
 */
export function readTorchStream(bytes: Uint8Array, maxPickle: number): TorchStream {
  let position = 0;
  const next = (): ReturnType<typeof readPickleAt> => {
    const read = readPickleAt(bytes.subarray(position, position + maxPickle));
    position += read.length;
    return read;
  };
  if (next().value !== magicNumber) throw new TorchArchiveError('is no file of torch.save: a pickle of something else');
  const { value: version } = next();
  if (version !== protocolVersion) {
    throw new TorchArchiveError("is of another version of PyTorch's form before 1.6, expected 1001");
  }
  const { value: machine } = next();
  if (!(machine instanceof Map) || machine.get('little_endian') !== true) {
    throw new TorchArchiveError('was saved on a big-endian machine; save it again on another');
  }
  const { value: root, storages: described } = next();
  const byKey = new Map<string, StoredStorage>();
  for (const storage of described) {
    const { type, numel } = byKey.get(storage.key) ?? storage;
    if (type !== storage.type || numel !== storage.numel) {
      throw new TorchArchiveError(`damaged, it describes storage ${storage.key} in two ways`);
    }
    byKey.set(storage.key, storage);
  }
  const { value: keys } = next();
  if (!Array.isArray(keys)) throw new TorchArchiveError('damaged, the keys of its storages are no list');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Uint8Array>();
  for (const key of keys as readonly PickleValue[]) {
    const storage = typeof key === 'string' ? byKey.get(key) : undefined;
    if (!storage) throw new TorchArchiveError('damaged, it has a storage that no tensor describes');
    const begin = position + 8;
    const end = begin + byteLength(storage);
    if (!(end <= bytes.length)) throw new TorchArchiveError(`damaged, it is cut off in storage ${storage.key}`);
    const numel = view.getBigInt64(position, true);
    if (numel !== BigInt(storage.numel)) {
      throw new TorchArchiveError(`damaged, storage ${storage.key} has ${numel} elements, expected ${storage.numel}`);
    }
    storages.set(storage.key, bytes.subarray(begin, end));
    position = end;
  }
  return { root, storages };
}

const quantised: Readonly<Record<string, number>> = { qint8: 1, quint8: 1, qint32: 4 };

/** Bytes of a storage. @throws TorchArchiveError where it is of a type that nothing is known of */
function byteLength({ key, type, numel }: StoredStorage): number {
  const each = isDType(type) ? itemSize(type) : quantised[type];
  if (each === undefined) throw new TorchArchiveError(`its storage ${key} is of ${type}, which is not read`);
  return numel * each;
}
