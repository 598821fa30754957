/**
 * The weights of a graph from the compact form: the same numbers, laid out as a runtime computes with them. Masks are
 * expanded here and not in the graph, where runtimes would keep a second copy. Numbers go straight to their place.
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
  const expanded = roomFor(bytes, file);
  const reader = new CompactReader(compact, file);
  let end = 0;
  for (const entry of tensors) {
    const length = entries(entry.shape);
    const wrong = (problem: string): InputError =>
      new InputError(`${file} does not fit its graph: a weight ${problem}; export the network again`);
    if (entry.offset % 4 !== 0 || entry.offset < end) throw wrong('lies where another is');
    end = entry.offset + 4 * length;
    if (end > bytes) throw wrong('lies beyond the end');
    fill(new Float32Array(expanded, entry.offset, length), entry, reader);
  }
  return new Uint8Array(expanded);
}

function roomFor(bytes: number, file: string): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new InputError(
      `${file} cannot be expanded: there is no memory for the ${bytes} bytes that its graph wants; free some, or ` +
        'export the network again',
      { cause },
    );
  }
}

function fill(target: Float32Array, entry: WeightEntry, reader: CompactReader): void {
  switch (entry.kind) {
    case 'tensor': {
      const { tensor, row, transpose, shape } = entry;
      const read = (place: Float32Array): void => {
        reader.read(place, tensor, row ?? null);
      };
      if (transpose) transposed(target, shape.at(-1)!, shape.at(-2)!, read);
      else read(target);
      return;
    }
    case 'bank':
    case 'constant': {
      const { source, weight, transpose } = entry;
      const size = entries(weight);
      const kernels = entry.kind === 'constant' ? [null] : reader.kernels(source, entry.row ?? null);
      const withStatic = entry.kind === 'constant' || entry.constant === 'shared';
      if (target.length !== kernels.length * size) throw reader.misfit(`${source}.bank`);
      const [outFeatures = 0] = weight;
      for (const [index, kernel] of kernels.entries()) {
        const merge = (place: Float32Array): void => {
          reader.merge(place, source, { kernel, withStatic });
        };
        const place = target.subarray(index * size, (index + 1) * size);
        if (transpose) transposed(place, outFeatures, size / outFeatures, merge);
        else merge(place);
      }
      return;
    }
  }
}

/** What `make` gives, matrices [rows, columns] one after the other, as [columns, rows]. */
function transposed(target: Float32Array, rows: number, columns: number, make: (place: Float32Array) => void): void {
  const source = new Float32Array(target.length);
  make(source);
  const size = rows * columns;
  for (let start = 0; start < source.length; start += size)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        target[start + column * rows + row] = source[start + row * columns + column]!;
}

/** A partial layer as it is stored. */
interface PartialTensors {
  /** [K, d] */
  readonly bank: StoredTensor;
  /** [n − d] */
  readonly staticWeight: StoredTensor;
  readonly bits: Uint8Array;
  /** d */
  readonly numDynamic: number;
  /** n */
  readonly size: number;
}

/** Null where numbers are stored as they are. */
interface PartialScales {
  readonly bankScale: Float32Array | null;
  readonly staticScale: Float32Array | null;
  /** O; 0 where there is no scale */
  readonly numChannels: number;
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

  /** The numbers of a tensor, or of one entry of its first dimension. */
  read(target: Float32Array, name: string, row: number | null): void {
    const tensor = this.#tensor(name);
    const numRows = row === null ? 1 : (tensor.shape[0] ?? 0);
    if (entries(tensor.shape) !== numRows * target.length || (row !== null && row >= numRows)) throw this.misfit(name);
    const start = (row ?? 0) * target.length;
    const { type, bytes } = tensor;
    if (type === 'F32' && bytes.byteOffset % 4 === 0) {
      target.set(new Float32Array(bytes.buffer, bytes.byteOffset + 4 * start, target.length));
      return;
    }
    const read = numberReader(tensor);
    const scale = type === 'I8' ? this.#scaleOf(name, tensor) : null;
    for (let index = 0; index < target.length; index++) {
      const number = read(start + index);
      target[index] = scale ? number * scale(start + index) : number;
    }
  }

  /** Those of a partial layer's bank that are asked for. */
  kernels(source: string, row: number | null): number[] {
    const [numKernels = 0] = this.#tensor(`${source}.bank`).shape;
    if (row === null) return Array.from({ length: numKernels }, (_, kernel) => kernel);
    if (row >= numKernels) throw this.misfit(`${source}.bank`);
    return [row];
  }

  /**
   * The weight of a partial layer: dynamic numbers at dynamic positions, static ones at the others.
   *
   * @param kernel whose dynamic numbers; null: 0 instead
   * @param withStatic false: 0 instead
   */
  merge(
    target: Float32Array,
    source: string,
    { kernel, withStatic }: { readonly kernel: number | null; readonly withStatic: boolean },
  ): void {
    const partial = this.#partial(source);
    const { bank, staticWeight, bits, numDynamic, size } = partial;
    if (size !== target.length) throw this.misfit(`${source}.mask_bits`);
    const [readBank, readStatic] = [numberReader(bank), numberReader(staticWeight)];
    const { bankScale, staticScale, numChannels } = this.#partialScales(source, partial);
    const firstNumber = (kernel ?? 0) * numDynamic;
    const firstScale = (kernel ?? 0) * numChannels;
    let [nextDynamic, nextStatic] = [0, 0];
    for (let position = 0; position < size; position++) {
      const channel = Math.floor((position * numChannels) / size);
      if (isSet(bits, position)) {
        const number = kernel === null ? 0 : readBank(firstNumber + nextDynamic++);
        target[position] = bankScale ? number * bankScale[firstScale + channel]! : number;
      } else {
        const number = withStatic ? readStatic(nextStatic++) : 0;
        target[position] = staticScale ? number * staticScale[channel]! : number;
      }
    }
  }

  /** The scale of a number by its index. Of a whole tensor, one number of `scale` is that of as many one after another. */
  #scaleOf(name: string, tensor: StoredTensor): (index: number) => number {
    const [, source = '', part] = /^(.*)\.(bank|static_weight)$/.exec(name) ?? [];
    if (!this.compact.tensors.has(`${source}.mask_bits`)) {
      const scale = this.#scales(name, tensor)!;
      const perScale = entries(tensor.shape) / scale.length;
      if (!Number.isInteger(perScale)) throw this.misfit(`${name}.scale`);
      return (index) => scale[Math.floor(index / perScale)]!;
    }
    const isBank = part === 'bank';
    const partial = this.#partial(source);
    const { bits, numDynamic, size } = partial;
    const { bankScale, staticScale, numChannels } = this.#partialScales(source, partial);
    const channels = new Uint32Array(isBank ? numDynamic : size - numDynamic);
    let next = 0;
    for (let position = 0; position < size; position++)
      if (isSet(bits, position) === isBank) channels[next++] = Math.floor((position * numChannels) / size);
    if (!isBank) return (index) => staticScale![channels[index]!]!;
    return (index) => {
      const kernel = Math.floor(index / numDynamic);
      return bankScale![kernel * numChannels + channels[index - kernel * numDynamic]!]!;
    };
  }

  /** Scales [K, O] of a partial layer's bank and [O] of its static weight: an entry's channel follows from its position. */
  #partialScales(source: string, { bank, staticWeight, size }: PartialTensors): PartialScales {
    const [bankScale, staticScale] = [
      this.#scales(`${source}.bank`, bank),
      this.#scales(`${source}.static_weight`, staticWeight),
    ];
    const [numKernels = 0] = bank.shape;
    const numChannels = staticScale?.length ?? (bankScale?.length ?? 0) / numKernels;
    if ((bankScale && bankScale.length !== numKernels * numChannels) || size % numChannels > 0)
      throw this.misfit(`${source}.bank.scale`);
    return { bankScale, staticScale, numChannels };
  }

  #partial(source: string): PartialTensors {
    const [bank, staticWeight] = [this.#tensor(`${source}.bank`), this.#tensor(`${source}.static_weight`)];
    const { bytes: bits } = this.#tensor(`${source}.mask_bits`);
    const [, numDynamic = 0] = bank.shape;
    const size = numDynamic + entries(staticWeight.shape);
    if (bits.length !== Math.ceil(size / 8) || count(bits) !== numDynamic) throw this.misfit(`${source}.mask_bits`);
    return { bank, staticWeight, bits, numDynamic, size };
  }

  #tensor(name: string): StoredTensor {
    const tensor = this.compact.tensors.get(name);
    if (tensor) return tensor;
    throw new InputError(`${this.file} does not fit its graph: it has no ${name}; export the network again`);
  }

  /** Null where numbers are stored as they are. */
  #scales(name: string, { type }: StoredTensor): Float32Array | null {
    if (type !== 'I8') return null;
    const stored = this.#tensor(`${name}.scale`);
    const scale = new Float32Array(entries(stored.shape));
    this.read(scale, `${name}.scale`, null);
    return scale;
  }
}

function isSet(bits: Uint8Array, position: number): boolean {
  return ((bits[position >> 3]! >> (position & 7)) & 1) === 1;
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
