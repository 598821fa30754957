/** What mixtures of experts know of a batch's tokens: which are real, and of which sentence. Each is computed once. */
import type { GraphBuilder, Value } from './graphBuilder.js';
import { reshaped } from './layerGraph.js';
import { elementTypes } from './onnxFile.js';

export class TokenRows {
  readonly #graph: GraphBuilder;
  /** bool [batch, length] */
  readonly #mask: Value;
  readonly #made = new Map<string, Value>();

  /** @param mask bool [batch, length], true for real tokens */
  constructor(graph: GraphBuilder, mask: Value) {
    this.#graph = graph;
    this.#mask = mask;
  }

  /** bool [tokens, 1], tokens = batch × length */
  get isReal(): Value {
    return this.#once('isReal', (graph) => reshaped(graph, this.#mask, [-1, 1], ['tokens', 1]));
  }

  /** The positions of the real tokens among all, int64 [real]. */
  get real(): Value {
    return this.#once('real', (graph) => positions(graph, this.isReal, 'real'));
  }

  /** The sentence of each token, int64 [tokens]. */
  get sentence(): Value {
    return this.#once('sentence', (graph) => {
      const [zero, one] = [0, 1].map((number) => graph.constant('int64', [number], []));
      const size = graph.node('Shape', [this.#mask], ['int64', [2]]);
      const batch = graph.node('Gather', [size, zero!], ['int64', []]);
      const numbers = graph.node('Range', [zero!, batch, one!], ['int64', ['batch']]);
      const column = graph.node('Unsqueeze', [numbers, graph.constant('int64', [1])], ['int64', ['batch', 1]]);
      const all = graph.node('Expand', [column, size], ['int64', ['batch', 'length']]);
      return reshaped(graph, all, [-1], ['tokens']);
    });
  }

  /** Those that have a real token, int64 [sentences]. */
  get realSentences(): Value {
    return this.#once('realSentences', (graph) => {
      const zero = graph.constant('float32', [0], []);
      const some = graph.node('Greater', [this.#counts, zero], ['bool', ['batch', 1]]);
      return positions(graph, some, 'sentences');
    });
  }

  /** The mean of each sentence's real tokens: [tokens, features] → [batch, features]; 0 where there is none. */
  meanOfSentences(input: Value): Value {
    const graph = this.#graph;
    const features = input.shape[1] as number;
    const size = graph.node('Shape', [this.#mask], ['int64', [2]]);
    const to = graph.node('Concat', [size, graph.constant('int64', [features])], ['int64', [3]], {
      attributes: { axis: 0 },
    });
    const sentences = graph.node('Reshape', [input, to], ['float32', ['batch', 'length', features]]);
    const mean = graph.node('MatMul', [this.#shares, sentences], ['float32', ['batch', 1, features]]);
    return graph.node('Squeeze', [mean, graph.constant('int64', [1])], ['float32', ['batch', features]]);
  }

  /** Real tokens of each sentence, float32 [batch, 1]. */
  get #counts(): Value {
    return this.#once('counts', (graph) => {
      return graph.node('ReduceSum', [this.#numbers, graph.constant('int64', [1])], ['float32', ['batch', 1]]);
    });
  }

  /** The share of each token in its sentence's mean, float32 [batch, 1, length]. */
  get #shares(): Value {
    return this.#once('shares', (graph) => {
      const [one, axis] = [graph.constant('float32', [1], []), graph.constant('int64', [1])];
      const counts = graph.node('Max', [this.#counts, one], ['float32', ['batch', 1]]);
      const shares = graph.node('Div', [this.#numbers, counts], ['float32', ['batch', 'length']]);
      return graph.node('Unsqueeze', [shares, axis], ['float32', ['batch', 1, 'length']]);
    });
  }

  /** 1 for real tokens, float32 [batch, length]. */
  get #numbers(): Value {
    return this.#once('numbers', (graph) => {
      const attributes = { to: elementTypes.float32 };
      return graph.node('Cast', [this.#mask], ['float32', ['batch', 'length']], { attributes });
    });
  }

  #once(name: string, make: (graph: GraphBuilder) => Value): Value {
    const value = this.#made.get(name) ?? this.#graph.within('tokens', () => make(this.#graph));
    this.#made.set(name, value);
    return value;
  }
}

/** Where a column is true: bool [rows, 1] → int64 [length]. */
function positions(graph: GraphBuilder, column: Value, length: string): Value {
  const flat = reshaped(graph, column, [-1], [column.shape[0]!]);
  return reshaped(graph, graph.node('NonZero', [flat], ['int64', [1, length]]), [-1], [length]);
}
