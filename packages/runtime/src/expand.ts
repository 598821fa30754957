/**
 * The weights of a graph from the compact form: the same numbers, laid out as a runtime computes with them. Masks are
 * expanded here and not in the graph, where runtimes would keep a second copy.
 */
import { InputError } from './errors.js';
import type { WeightEntry } from './manifest.js';
import { numberReader } from './numbers.js';
import type { Safetensors, StoredTensor } from './safetensors.js';

/** @throws InputError where the compact form does not have what the graph needs */
export function expandWeights(
  compact: Safetensors,
  { bytes, tensors }: { readonly bytes: number; readonly tensors: readonly WeightEntry[] },
  file: string,
): Uint8Array<ArrayBuffer> {
  const expanded = new ArrayBuffer(bytes);
  for (const entry of tensors) {
    const length = entries(entry.shape);
    if (entry.offset % 4 !== 0 || entry.offset + 4 * length > bytes)
      throw new InputError(`${file} does not fit its graph: a weight lies beyond the end; export the network again`);
    fill(new Float32Array(expanded, entry.offset, length), entry, new CompactReader(compact, file));
  }
  return new Uint8Array(expanded);
}

function fill(target: Float32Array, entry: WeightEntry, reader: CompactReader): void {
  switch (entry.kind) {
    case 'tensor': {
      const { tensor, transpose, shape } = entry;
      const numbers = reader.numbers(tensor, target.length);
      if (transpose) transposeInto(target, numbers, shape.at(-1)!, shape.at(-2)!);
      else target.set(numbers);
      return;
    }
    case 'bank':
    case 'constant': {
      const size = entries(entry.weight);
      const { bank, staticWeight, bits } = reader.partial(entry.source, size);
      const rows = entry.kind === 'bank' ? target.length / size : 1;
      const numDynamic = size - staticWeight.length;
      if (!Number.isInteger(rows) || (entry.kind === 'bank' && bank.length !== rows * numDynamic))
        throw reader.misfit(`${entry.source}.bank`);
      const [outFeatures = 0] = entry.weight;
      for (let row = 0; row < rows; row++) {
        const dynamic = entry.kind === 'bank' ? bank.subarray(row * numDynamic, (row + 1) * numDynamic) : null;
        const constant = entry.kind === 'constant' || entry.constant === 'shared' ? staticWeight : null;
        const whole = merged(bits, size, dynamic, constant);
        const place = target.subarray(row * size, (row + 1) * size);
        if (entry.transpose) transposeInto(place, whole, outFeatures, size / outFeatures);
        else place.set(whole);
      }
      return;
    }
  }
}

/** Dynamic and static numbers at their positions; 0 where they are not given. */
function merged(
  bits: Uint8Array,
  size: number,
  dynamic: Float32Array | null,
  constant: Float32Array | null,
): Float32Array {
  const whole = new Float32Array(size);
  let [nextDynamic, nextStatic] = [0, 0];
  for (let position = 0; position < size; position++) {
    const isDynamic = (bits[position >> 3]! >> (position & 7)) & 1;
    whole[position] = isDynamic ? (dynamic?.[nextDynamic++] ?? 0) : (constant?.[nextStatic++] ?? 0);
  }
  return whole;
}

/** Matrices [rows, columns] one after the other → [columns, rows]. */
function transposeInto(target: Float32Array, source: Float32Array, rows: number, columns: number): void {
  const size = rows * columns;
  for (let start = 0; start < source.length; start += size)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        target[start + column * rows + row] = source[start + row * columns + column]!;
}

/** Numbers by name, times the scale of their output channel where they are whole numbers. */
class CompactReader {
  constructor(
    private readonly compact: Safetensors,
    private readonly file: string,
  ) {}

  misfit(name: string): InputError {
    return new InputError(`${this.file} does not fit its graph: ${name} has another size; export the network again`);
  }

  /** The numbers of a tensor whose scales are those of its first dimension, or of a bank's first two. */
  numbers(name: string, length: number): Float32Array {
    const { bits, source } = this.#maskOf(name);
    if (bits) {
      const size = this.#tensor(`${source}.static_weight`).shape[0]! + this.#tensor(`${source}.bank`).shape[1]!;
      const { bank, staticWeight } = this.partial(source, size);
      const numbers = name.endsWith('.bank') ? bank : staticWeight;
      if (numbers.length !== length) throw this.misfit(name);
      return numbers;
    }
    const tensor = this.#tensor(name);
    if (entries(tensor.shape) !== length) throw this.misfit(name);
    const scale = this.#scale(name, tensor);
    const perScale = scale ? length / scale.length : 0;
    return this.#decoded(tensor, scale && ((index) => scale[Math.floor(index / perScale)]!));
  }

  /** Bank [K, d] and static weight [n − d] of a partial layer, each in order of positions. */
  partial(source: string, size: number): { bank: Float32Array; staticWeight: Float32Array; bits: Uint8Array } {
    const { bits } = this.#maskOf(`${source}.bank`);
    const [bank, staticWeight] = [this.#tensor(`${source}.bank`), this.#tensor(`${source}.static_weight`)];
    const [numKernels = 0, numDynamic = 0] = bank.shape;
    const numStatic = entries(staticWeight.shape);
    if (bits?.length !== Math.ceil(size / 8) || numDynamic + numStatic !== size || count(bits) !== numDynamic)
      throw this.misfit(`${source}.mask_bits`);
    const scales = [this.#scale(`${source}.bank`, bank), this.#scale(`${source}.static_weight`, staticWeight)] as const;
    const [bankScale, staticScale] = scales;
    if (!bankScale || !staticScale)
      return { bank: this.#decoded(bank, null), staticWeight: this.#decoded(staticWeight, null), bits };
    const numChannels = staticScale.length;
    const channels = { dynamic: new Uint32Array(numDynamic), static: new Uint32Array(numStatic) };
    let [nextDynamic, nextStatic] = [0, 0];
    for (let position = 0; position < size; position++) {
      const channel = Math.floor((position * numChannels) / size);
      if ((bits[position >> 3]! >> (position & 7)) & 1) channels.dynamic[nextDynamic++] = channel;
      else channels.static[nextStatic++] = channel;
    }
    const ofBank = (index: number): number => {
      const kernel = Math.floor(index / numDynamic);
      return bankScale[kernel * numChannels + channels.dynamic[index - kernel * numDynamic]!]!;
    };
    if (bankScale.length !== numKernels * numChannels) throw this.misfit(`${source}.bank.scale`);
    return {
      bank: this.#decoded(bank, ofBank),
      staticWeight: this.#decoded(staticWeight, (index) => staticScale[channels.static[index]!]!),
      bits,
    };
  }

  #maskOf(name: string): { readonly bits: Uint8Array | null; readonly source: string } {
    const source = name.slice(0, name.lastIndexOf('.'));
    const isMasked = name === `${source}.bank` || name === `${source}.static_weight`;
    return { bits: isMasked ? (this.compact.tensors.get(`${source}.mask_bits`)?.bytes ?? null) : null, source };
  }

  #tensor(name: string): StoredTensor {
    const tensor = this.compact.tensors.get(name);
    if (tensor) return tensor;
    throw new InputError(`${this.file} does not fit its graph: it has no ${name}; export the network again`);
  }

  #scale(name: string, { type }: StoredTensor): Float32Array | null {
    return type === 'I8' ? this.#decoded(this.#tensor(`${name}.scale`), null) : null;
  }

  #decoded(tensor: StoredTensor, scale: ((index: number) => number) | null): Float32Array {
    const length = entries(tensor.shape);
    const { buffer, byteOffset } = tensor.bytes;
    if (tensor.type === 'F32' && byteOffset % 4 === 0) return new Float32Array(buffer, byteOffset, length);
    const read = numberReader(tensor);
    const numbers = new Float32Array(length);
    for (let index = 0; index < length; index++) numbers[index] = scale ? read(index) * scale(index) : read(index);
    return numbers;
  }
}

/** Bits that are 1. */
function count(bits: Uint8Array): number {
  let sum = 0;
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) sum++;
  return sum;
}

function entries(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
