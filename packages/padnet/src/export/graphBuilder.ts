/** A graph of ONNX operators as it grows: names are the network's paths, weights lie in a file beside it. */
import type { WeightEntry } from '@padnet/runtime';
import { numEntries } from '../partial/index.js';
import type { Attribute, Dimension, ElementType, Graph, OnnxNode, OnnxTensor, ValueInfo } from './onnxFile.js';

/** A tensor of the graph, by its name. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** Expanded weights start at multiples of it, in bytes. */
const alignment = 64;

type WithoutOffset<Entry> = Entry extends unknown ? Omit<Entry, 'offset'> : never;
/** A weight of the graph, and how it is made of the compact form. */
export type Weight = WithoutOffset<WeightEntry>;

/** The weights of a graph and of those within it: where they lie in the file, and what they are made of. */
export class ExternalWeights {
  readonly file: string;
  readonly entries: WeightEntry[] = [];
  readonly tensors: OnnxTensor[] = [];
  readonly #names = new Set<string>();
  #bytes = 0;

  constructor(file: string) {
    this.file = file;
  }

  /** All of them together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The same weight twice is one. */
  add(name: string, weight: Weight): Value {
    const { shape } = weight;
    if (!this.#names.has(name)) {
      const offset = Math.ceil(this.#bytes / alignment) * alignment;
      const length = 4 * numEntries(shape);
      this.#names.add(name);
      this.entries.push({ offset, ...weight });
      this.tensors.push({ name, type: 'float32', shape, data: { file: this.file, offset, length } });
      this.#bytes = offset + length;
    }
    return { name, type: 'float32', shape };
  }
}

interface NodeOptions {
  /** What a viewer calls the node; the operator's name by default. */
  readonly name?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** The type and shape of what a node gives. */
export type OutputType = readonly [type: ElementType, shape: readonly Dimension[]];

export class GraphBuilder {
  readonly weights: ExternalWeights;
  readonly #used: Map<string, number>;
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  /** Those of all graphs, which the outermost has. */
  readonly #constants: Map<string, OnnxTensor>;
  readonly #isInner: boolean;
  readonly #nodes: OnnxNode[] = [];
  #scope: string;

  /** @param outer the graph that this one is a part of, whose values it sees */
  constructor(weights: ExternalWeights, outer: GraphBuilder | null = null) {
    this.weights = weights;
    this.#used = outer ? outer.#used : new Map<string, number>();
    this.#constants = outer ? outer.#constants : new Map<string, OnnxTensor>();
    this.#isInner = outer !== null;
    this.#scope = outer ? outer.#scope : '';
  }

  /** Names that are given meanwhile begin with a module's path. */
  within<T>(path: string, build: () => T): T {
    const before = this.#scope;
    this.#scope = path;
    try {
      return build();
    } finally {
      this.#scope = before;
    }
  }

  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    const value = { name: this.#unique(name), type, shape };
    this.#inputs.push(value);
    return value;
  }

  /** Makes `value` an output, by a name that programs ask for. */
  output(name: string, { name: input, ...of }: Value): void {
    const output = this.#unique(name);
    this.#outputs.push({ name: output, ...of });
    this.#nodes.push({ name: output, type: 'Identity', inputs: [input], outputs: [output], attributes: {} });
  }

  /** Makes `value` an output by the name that it has. */
  result(value: Value): void {
    this.#outputs.push(value);
  }

  /** A node with one output. @param inputs null where an optional one is left out */
  node(type: string, inputs: readonly (Value | null)[], output: OutputType, options: NodeOptions = {}): Value {
    return this.nodes(type, inputs, [output], options)[0]!;
  }

  /** A node with several outputs. */
  nodes(
    type: string,
    inputs: readonly (Value | null)[],
    outputs: readonly OutputType[],
    { name = type, attributes = {} }: NodeOptions = {},
  ): Value[] {
    const unique = this.#unique(name);
    const values = outputs.map(([elementType, shape], index) => {
      return { name: index === 0 ? unique : `${unique}.${index}`, type: elementType, shape };
    });
    this.#nodes.push({
      name: unique,
      type,
      inputs: inputs.map((input) => input?.name ?? ''),
      outputs: values.map((value) => value.name),
      attributes,
    });
    return values;
  }

  /** A few numbers that are a part of the graph. */
  constant(type: 'int64' | 'float32', numbers: readonly number[], shape: readonly number[] = [numbers.length]): Value {
    const name = `${type}[${shape.join(',')}](${numbers.join(',')})`;
    const data = type === 'int64' ? BigInt64Array.from(numbers, BigInt).buffer : Float32Array.from(numbers).buffer;
    if (!this.#constants.has(name)) this.#constants.set(name, { name, type, shape, data: new Uint8Array(data) });
    return { name, type, shape };
  }

  /** The outermost is built last. */
  build(name: string): Graph {
    return {
      name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: this.#isInner ? [] : [...this.weights.tensors, ...this.#constants.values()],
      nodes: this.#nodes,
    };
  }

  #unique(name: string): string {
    const full = this.#scope === '' ? name : `${this.#scope}/${name}`;
    const count = this.#used.get(full) ?? 0;
    this.#used.set(full, count + 1);
    return count === 0 ? full : `${full}_${count + 1}`;
  }
}
