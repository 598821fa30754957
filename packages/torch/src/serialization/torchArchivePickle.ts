/**
 * The pickle in a PyTorch archive, read without running anything: numbers, texts, lists, dictionaries and what
 * `torch.save` needs to describe tensors. A pickle is a program for a stack machine that may call any Python function
 * by name; here a name that is not one of the few below is refused, and no call does more than make a plain value.
 * Opcodes of protocol 2, which `torch.save` writes: https://docs.python.org/3/library/pickletools.html.
 */
import { isDType, itemSize } from '../dtype.js';
import { TorchArchiveError } from './torchArchiveError.js';

/** Elements of one type, in a file of the archive. */
export class StoredStorage {
  constructor(
    readonly key: string,
    /** PyTorch's name of the type, such as `float32`; there are some that libtorch 1.13 has no tensors of. */
    readonly type: string,
    readonly numel: number,
  ) {}
}

/** A view of a storage; offset and stride count elements. */
export class StoredTensor {
  constructor(
    readonly storage: StoredStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
    /** Whether what it holds is the complex conjugate of its elements, and the negative of them. */
    readonly lazy: { readonly conj: boolean; readonly neg: boolean },
  ) {}
}

/** A tensor that is not read; `reason` goes on from its name. */
export class UnreadTensor {
  constructor(readonly reason: string) {}
}

/** A Python object that is named, not spelt out, such as a function or a dtype. */
class Global {
  constructor(readonly name: string) {}
}

/** Tuples are arrays too. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | StoredStorage
  | StoredTensor
  | UnreadTensor
  | Global;

const storageTypes: ReadonlyMap<string, string> = new Map([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
  ['torch.ComplexFloatStorage', 'complex64'],
  ['torch.ComplexDoubleStorage', 'complex128'],
  ['torch.QInt8Storage', 'qint8'],
  ['torch.QUInt8Storage', 'quint8'],
  ['torch.QInt32Storage', 'qint32'],
  ['torch.QUInt4x2Storage', 'quint4x2'],
  ['torch.QUInt2x4Storage', 'quint2x4'],
  ['torch.storage.UntypedStorage', 'uint8'], // bytes, of a tensor that says its type itself
]);

/**
 * Classes that hold a tensor as it is, and kinds of quantisation: named in what is called, and not called themselves.
 */
const named = /^torch\.(Tensor|nn\.parameter\.(Parameter|Buffer)|per_(tensor|channel)_\w+)$/;

const dtypeName =
  /^torch\.(?:double|half|long|short|bool|bfloat16|b?complex\d+|float\d*(?:_e\d+m\d+\w*)?|u?int\d*|bits\d+(?:x\d+)?|qu?int\d+(?:x\d+)?)$/;

type Call = (called: PickleValue | undefined, values: PickleValue | undefined) => PickleValue;

/**
 * The functions of PyTorch that a file may call, as we have them. Unlike theirs, none moves a tensor to another device.
 */
const functions: Readonly<Record<string, (values: readonly PickleValue[], call: Call) => PickleValue>> = {
  'collections.OrderedDict': ([items = []]) => {
    if (!Array.isArray(items)) throw new TorchArchiveError('damaged, an OrderedDict of something else than pairs');
    return new Map(
      (items as readonly PickleValue[]).map((pair): [PickleValue, PickleValue] => [at(pair, 0), at(pair, 1)]),
    );
  },
  'torch.Size': ([sizes = []]) => sizes,
  'torch.serialization._get_layout': ([layout = null]) => layout,
  'torch._utils._rebuild_tensor': ([storage, offset, shape, stride]) => tensorOver(storage, offset, shape, stride),
  'torch._utils._rebuild_tensor_v2': ([storage, offset, shape, stride, , , marks]) =>
    tensorOver(storage, offset, shape, stride, marks),
  'torch._utils._rebuild_tensor_v3': ([storage, offset, shape, stride, , , dtype, marks]) =>
    tensorOver(ofType(storage, dtype), offset, shape, stride, marks),
  'torch._utils._rebuild_parameter': ([tensor]) => checkTensor(tensor),
  'torch._utils._rebuild_parameter_with_state': ([tensor]) => checkTensor(tensor),
  'torch._tensor._rebuild_from_type': ([called, , values], call) => rebuilt(called, values, call),
  'torch._tensor._rebuild_from_type_v2': ([called, , values], call) => rebuilt(called, values, call),
  'torch._utils._rebuild_device_tensor_from_cpu_tensor': ([saved, dtype]) => {
    const tensor = checkTensor(saved);
    if (tensor instanceof UnreadTensor || typeName(dtype) === tensor.storage.type) return tensor;
    return new UnreadTensor(`is of ${typeName(dtype)}, its elements of ${tensor.storage.type}; save its cpu()`);
  },
  'torch._utils._rebuild_sparse_tensor': () => new UnreadTensor('is sparse; save its to_dense()'),
  'torch._utils._rebuild_qtensor': () => new UnreadTensor('is quantised; save its dequantize()'),
  'torch._utils._rebuild_nested_tensor': () => new UnreadTensor('is nested; save the tensors in it'),
  'torch._utils._rebuild_meta_tensor_no_storage': () =>
    new UnreadTensor('was on the device meta, without elements; save it from the CPU'),
};

/** @param marks what PyTorch saves beside a tensor whose elements are conjugated or negated only when they are read */
function tensorOver(
  storage: PickleValue | undefined,
  offset: PickleValue | undefined,
  shape: PickleValue | undefined,
  stride: PickleValue | undefined,
  marks: PickleValue = null,
): StoredTensor | UnreadTensor {
  if (!(storage instanceof StoredStorage)) throw new TorchArchiveError('damaged, a tensor without a storage');
  const lazy = { conj: false, neg: false };
  const pairs = marks instanceof Map ? [...(marks as ReadonlyMap<PickleValue, PickleValue>)] : [[marks, null] as const];
  for (const [mark, value] of pairs) {
    if (mark === null) continue;
    if ((mark !== 'conj' && mark !== 'neg') || typeof value !== 'boolean') {
      return new UnreadTensor(`is marked '${describe(mark)}', which may change its elements; save its clone()`);
    }
    lazy[mark] = value;
  }
  return new StoredTensor(storage, whole(offset), wholes(shape), wholes(stride), lazy);
}

function checkTensor(value: PickleValue | undefined): StoredTensor | UnreadTensor {
  if (value instanceof StoredTensor || value instanceof UnreadTensor) return value;
  throw new TorchArchiveError('damaged, a parameter without a tensor');
}

/** A tensor with attributes of its own, by the function that makes one without. */
function rebuilt(called: PickleValue | undefined, values: PickleValue | undefined, call: Call): PickleValue {
  if (called instanceof Global && called.name.startsWith('torch._utils.')) return checkTensor(call(called, values));
  throw new TorchArchiveError('damaged, a tensor that no function makes');
}

/** A storage of bytes as one of another type. */
function ofType(storage: PickleValue | undefined, dtype: PickleValue | undefined): PickleValue | undefined {
  if (!(storage instanceof StoredStorage)) return storage;
  const type = typeName(dtype);
  if (!isDType(type)) return new StoredStorage(storage.key, type, storage.numel);
  return new StoredStorage(storage.key, type, whole(storage.numel / itemSize(type)));
}

function typeName(dtype: PickleValue | undefined): string {
  if (dtype instanceof Global && dtypeName.test(dtype.name)) return dtype.name.slice('torch.'.length);
  throw new TorchArchiveError('damaged, a tensor of no type');
}

function at(value: PickleValue | undefined, index: number): PickleValue {
  const element = Array.isArray(value) ? (value as readonly PickleValue[])[index] : undefined;
  if (element === undefined) throw new TorchArchiveError('damaged, a pair is missing in its pickle');
  return element;
}

function whole(value: PickleValue | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TorchArchiveError(`damaged, expected a size, found ${describe(value)}`);
}

function wholes(value: PickleValue | undefined): number[] {
  if (Array.isArray(value)) return (value as readonly PickleValue[]).map(whole);
  throw new TorchArchiveError(`damaged, expected sizes, found ${describe(value)}`);
}

function describe(value: PickleValue | undefined): string {
  return typeof value === 'object' && value !== null ? 'another object' : String(value);
}

function checkAllowed(name: string): void {
  if (Object.hasOwn(functions, name) || storageTypes.has(name) || dtypeName.test(name) || named.test(name)) return;
  throw new TorchArchiveError(
    `contains code: ${name} is refused, only tensors by name are read; save a state_dict() of the module instead`,
  );
}

/**
 * Values that calls may copy in all: a small pickle that copies one long list again and again must not fill the memory.
 */
const maxCopied = 10_000_000;

/** Where `MARK` was; what follows it on the stack belongs together. */
const mark = Symbol('mark');

/**
 * @throws TorchArchiveError where the pickle names code, is damaged, or has an opcode that `torch.save` does not write
 */
export function readPickle(bytes: Uint8Array): PickleValue {
  return readPickleAt(bytes).value;
}

/** The pickle that `bytes` begin with, its length, and every storage that it names. @throws as `readPickle` */
export function readPickleAt(bytes: Uint8Array): {
  readonly value: PickleValue;
  readonly length: number;
  readonly storages: readonly StoredStorage[];
} {
  const machine = new PickleMachine(bytes);
  return { value: machine.read(), length: machine.position, storages: machine.storages };
}

class PickleMachine {
  readonly view: DataView;
  position = 0;
  private copied = 0;
  readonly stack: (PickleValue | typeof mark)[] = [];
  readonly memo = new Map<number, PickleValue>();
  readonly storages: StoredStorage[] = [];

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): PickleValue {
    for (;;) {
      const opcode = this.uint8();
      if (opcode === 0x2e) return this.pop(); // STOP
      const step = opcodes[opcode];
      if (!step) {
        throw new TorchArchiveError(
          `the pickle has the opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${this.position - 1}, which ` +
            'torch.save does not write by default; save it again with pickle_protocol=2',
        );
      }
      step(this);
    }
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined || value === mark)
      throw new TorchArchiveError('damaged, its pickle takes what is not there');
    return value;
  }

  top(): PickleValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  popToMark(): PickleValue[] {
    const begin = this.stack.lastIndexOf(mark);
    if (begin < 0) throw new TorchArchiveError('damaged, its pickle takes what is not there');
    const [, ...values] = this.stack.splice(begin);
    return values as PickleValue[];
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new TorchArchiveError('damaged, its pickle appends to what is no list');
    for (const value of values) list.push(value);
  }

  setItems(values: readonly PickleValue[]): void {
    const map = this.top();
    if (!(map instanceof Map) || values.length % 2 !== 0) {
      throw new TorchArchiveError('damaged, its pickle adds to what is no dictionary');
    }
    for (let i = 0; i < values.length; i += 2) map.set(values[i], values[i + 1]);
  }

  get(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) throw new TorchArchiveError('damaged, its pickle refers to what is not there');
    this.push(value);
  }

  global(name: string): void {
    checkAllowed(name);
    this.push(new Global(name));
  }

  reduce(): void {
    const [called, values] = this.popMany(2);
    this.push(this.call(called, values));
  }

  private call(called: PickleValue | undefined, values: PickleValue | undefined): PickleValue {
    const name = called instanceof Global ? called.name : '';
    if (!Array.isArray(values) || !Object.hasOwn(functions, name)) {
      throw new TorchArchiveError(`contains code: a call of ${name || 'something that is no function'} is refused`);
    }
    for (const value of values as readonly PickleValue[]) this.copied += Array.isArray(value) ? value.length : 1;
    if (this.copied > maxCopied) throw new TorchArchiveError('damaged, its pickle copies without end');
    return functions[name]!(values as readonly PickleValue[], (inner, arguments_) => this.call(inner, arguments_));
  }

  checkProtocol(version: number): void {
    if (version === 2) return;
    throw new TorchArchiveError(`the pickle is of protocol ${version}, expected 2; save it with pickle_protocol=2`);
  }

  /** The place of the next `count` bytes. */
  take(count: number): number {
    const begin = this.position;
    if (count > this.bytes.length - begin) throw new TorchArchiveError('damaged, its pickle is cut off');
    this.position += count;
    return begin;
  }

  uint8(): number {
    return this.bytes[this.take(1)]!;
  }

  uint32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** A whole number in little-endian two's complement. */
  long(length: number): number | bigint {
    const begin = this.take(length);
    let value = 0n;
    for (let i = begin + length - 1; i >= begin; i--) value = (value << 8n) | BigInt(this.bytes[i]!);
    const signed = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  text(length: number): string {
    const begin = this.take(length);
    return decode(this.bytes.subarray(begin, begin + length));
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new TorchArchiveError('damaged, its pickle is cut off');
    const begin = this.take(end + 1 - this.position);
    return decode(this.bytes.subarray(begin, end));
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** ('storage', its type, its key, where it was, its number of elements[, the part of another storage that it is]) */
function storage(id: PickleValue): StoredStorage {
  const [kind, type, key, , numel, part = null] = Array.isArray(id) ? (id as readonly PickleValue[]) : [];
  const elements = type instanceof Global ? storageTypes.get(type.name) : undefined;
  if (kind !== 'storage' || elements === undefined || typeof key !== 'string') {
    throw new TorchArchiveError('damaged, its pickle refers to something else than a storage');
  }
  if (part !== null)
    throw new TorchArchiveError(`its storage ${key} is a part of another; save it with a newer PyTorch`);
  return new StoredStorage(key, elements, whole(numel));
}

/** The action of each opcode. */
const opcodes: Readonly<Record<number, (machine: PickleMachine) => void>> = {
  // PROTO
  0x80: (machine) => {
    machine.checkProtocol(machine.uint8());
  },
  // MARK
  0x28: (machine) => {
    machine.stack.push(mark);
  },
  // NONE
  0x4e: (machine) => {
    machine.push(null);
  },
  // NEWTRUE
  0x88: (machine) => {
    machine.push(true);
  },
  // NEWFALSE
  0x89: (machine) => {
    machine.push(false);
  },
  // BININT1
  0x4b: (machine) => {
    machine.push(machine.uint8());
  },
  // BININT2
  0x4d: (machine) => {
    machine.push(machine.view.getUint16(machine.take(2), true));
  },
  // BININT
  0x4a: (machine) => {
    machine.push(machine.view.getInt32(machine.take(4), true));
  },
  // LONG1
  0x8a: (machine) => {
    machine.push(machine.long(machine.uint8()));
  },
  // BINFLOAT
  0x47: (machine) => {
    machine.push(machine.view.getFloat64(machine.take(8), false));
  },
  // BINUNICODE
  0x58: (machine) => {
    machine.push(machine.text(machine.uint32()));
  },
  // SHORT_BINSTRING
  0x55: (machine) => {
    machine.push(machine.text(machine.uint8()));
  },
  // EMPTY_DICT
  0x7d: (machine) => {
    machine.push(new Map());
  },
  // EMPTY_LIST
  0x5d: (machine) => {
    machine.push([]);
  },
  // EMPTY_TUPLE
  0x29: (machine) => {
    machine.push([]);
  },
  // TUPLE
  0x74: (machine) => {
    machine.push(machine.popToMark());
  },
  // TUPLE1
  0x85: (machine) => {
    machine.push(machine.popMany(1));
  },
  // TUPLE2
  0x86: (machine) => {
    machine.push(machine.popMany(2));
  },
  // TUPLE3
  0x87: (machine) => {
    machine.push(machine.popMany(3));
  },
  // APPEND
  0x61: (machine) => {
    machine.append(machine.popMany(1));
  },
  // APPENDS
  0x65: (machine) => {
    machine.append(machine.popToMark());
  },
  // SETITEM
  0x73: (machine) => {
    machine.setItems(machine.popMany(2));
  },
  // SETITEMS
  0x75: (machine) => {
    machine.setItems(machine.popToMark());
  },
  // BINPUT
  0x71: (machine) => {
    machine.memo.set(machine.uint8(), machine.top());
  },
  // LONG_BINPUT
  0x72: (machine) => {
    machine.memo.set(machine.uint32(), machine.top());
  },
  // BINGET
  0x68: (machine) => {
    machine.get(machine.uint8());
  },
  // LONG_BINGET
  0x6a: (machine) => {
    machine.get(machine.uint32());
  },
  // GLOBAL
  0x63: (machine) => {
    machine.global(`${machine.line()}.${machine.line()}`);
  },
  // BINPERSID
  0x51: (machine) => {
    const named = storage(machine.pop());
    machine.storages.push(named);
    machine.push(named);
  },
  // REDUCE
  0x52: (machine) => {
    machine.reduce();
  },
  // BUILD: an OrderedDict's attributes (a state_dict's versions), which no tensor needs
  0x62: (machine) => {
    machine.pop();
    if (!(machine.top() instanceof Map))
      throw new TorchArchiveError('contains code: an object that sets its own state');
  },
};
