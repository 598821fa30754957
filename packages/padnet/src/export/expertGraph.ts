/**
 * A mixture of experts as operators of ONNX (layers/moeLinear.ts). Tokens are sorted by expert, so that each expert is
 * one product with those that chose it; padding comes last and gives 0.
 */
import { scope } from '@padnet/torch';
import { maskStructure } from '../compute/maskStructure.js';
import type { MoELinear } from '../layers/index.js';
import type { GraphBuilder, Value } from './graphBuilder.js';
import { pointwise, product, reshaped, weight, type Emission } from './layerGraph.js';
import { elementTypes } from './onnxFile.js';
import type { TokenRows } from './tokenRows.js';

/** Decisions of a router, each [rows, k]. */
export interface RoutedRows {
  /** int64, best first. */
  readonly experts: Value;
  readonly gates: Value;
}

/** A mixture, and what it is applied to. */
interface Mixture {
  readonly emission: Emission;
  readonly path: string;
  readonly layer: MoELinear;
  /** [tokens, inFeatures] */
  readonly input: Value;
  readonly tokens: TokenRows;
}

/**
 * y = Σ_i gate_i · (x·W_iᵀ + b_i) over the k chosen experts: [tokens, inFeatures] → [tokens, outFeatures], 0 at
 * padding. The rows of the decision are those of `RoutingDecision`.
 */
export function expertMixture(mixture: Mixture): { readonly output: Value; readonly decision: RoutedRows } {
  const { emission, path } = mixture;
  const { decision, ofTokens } = routing(mixture);
  return { decision, output: emission.graph.within(path, () => mixedOutput(mixture, ofTokens)) };
}

/** Who decides, and what that means for each token. Equal logits go to the lower expert. */
function routing({ emission, path, layer, input, tokens }: Mixture): {
  readonly decision: RoutedRows;
  readonly ofTokens: RoutedRows;
} {
  const { graph } = emission;
  const { k, numExperts } = layer.router;
  const decide = (rows: Value): RoutedRows => {
    const [numRows] = rows.shape;
    const matrix = weight(emission, `${path}.router.w_gate`)!;
    const logits = graph.node('MatMul', [rows, matrix], ['float32', [numRows!, numExperts]]);
    const [best, experts] = graph.nodes(
      'TopK',
      [logits, graph.constant('int64', [k])],
      [
        ['float32', [numRows!, k]],
        ['int64', [numRows!, k]],
      ],
    );
    return { experts: experts!, gates: pointwise(graph, 'Softmax', best!) };
  };
  const each = ({ experts, gates }: RoutedRows, of: (values: Value) => Value): RoutedRows => {
    return { experts: of(experts), gates: of(gates) };
  };
  return graph.within(`${path}.router`, () => {
    switch (layer.routing) {
      case 'token': {
        const ofTokens = decide(input);
        return { decision: each(ofTokens, (values) => gathered(graph, values, tokens.real)), ofTokens };
      }
      case 'sentence': {
        const decided = decide(tokens.meanOfSentences(input));
        return {
          decision: each(decided, (values) => gathered(graph, values, tokens.realSentences)),
          ofTokens: each(decided, (values) => gathered(graph, values, tokens.sentence)),
        };
      }
      case 'task': {
        const first = graph.constant('int64', [0]);
        const decided = decide(gathered(graph, weight(emission, `${path}.task_embedding`)!, first));
        // None where there are no tokens.
        const numReal = graph.node('Shape', [tokens.real], ['int64', [1]]);
        const column = graph.node('Shape', [tokens.isReal], ['int64', [2]]);
        return {
          decision: each(decided, (values) =>
            graph.node('Slice', [values, first, numReal], [values.type, ['tasks', k]]),
          ),
          ofTokens: each(decided, (values) => graph.node('Expand', [values, column], [values.type, ['tokens', k]])),
        };
      }
    }
  });
}

/** As the dynamic entries lie: whole experts, or dynamic rows by experts and static ones for all tokens. */
function mixedOutput(mixture: Mixture, routed: RoutedRows): Value {
  const { emission, path, layer, input } = mixture;
  const { source } = layer;
  const [outFeatures = 0, inFeatures = 0] = source.shape;
  const rows = staticRows(layer);
  if (rows.size === 0) {
    return mixedExperts(mixture, routed, outFeatures, (expert) => ({
      matrix: expertWeight(mixture, expert),
      bias: bankRow(emission, `${path}.bias_bank`, expert, [outFeatures]),
    }));
  }
  const staticWeight = weight(emission, `${path}.source.static_weight`, [rows.size, inFeatures])!;
  const constant = product(emission.graph, input, staticWeight, null, 'static');
  if (rows.size === outFeatures) return finished(mixture, routed, constant);
  const numDynamic = outFeatures - rows.size;
  const dynamic = mixedExperts(mixture, routed, numDynamic, (expert) => ({
    matrix: bankRow(emission, `${path}.source.bank`, expert, [numDynamic, inFeatures])!,
    bias: null,
  }));
  return finished(mixture, routed, joined(emission.graph, { dynamic, constant, rows }));
}

/** Rows of the weight without a dynamic entry, where every other has no static one; none where experts are whole. */
function staticRows({ source }: MoELinear): ReadonlySet<number> {
  const every = (): Set<number> => new Set(Array.from({ length: source.shape[0]! }, (_, row) => row));
  if (source.kind === 'static') return every();
  if (source.kind === 'dynamic') return new Set();
  return scope(() => {
    const structure = maskStructure(source.maskTensor());
    if (structure.kind === 'empty') return every();
    return new Set(structure.kind === 'rows' ? structure.static.toArray().map(Number) : []);
  });
}

/** [outFeatures, inFeatures] of one expert, static entries merged into it. */
function expertWeight({ emission, path, layer }: Mixture, expert: number): Value {
  const { source } = layer;
  const shape = [...source.shape];
  const name = `${path}.source.bank`;
  if (source.kind === 'dynamic') return bankRow(emission, name, expert, shape)!;
  return emission.graph.weights.add(`${name}[${expert}]`, {
    kind: 'bank',
    source: `${path}.source`,
    row: expert,
    weight: shape,
    constant: 'shared',
    shape,
  });
}

/** The numbers of one expert, which the bank has one after another; null where there is no bank of this name. */
function bankRow({ graph, tensors }: Emission, bank: string, row: number, shape: number[]): Value | null {
  if (!tensors.has(bank)) return null;
  return graph.weights.add(`${bank}[${row}]`, { kind: 'tensor', tensor: bank, row, shape });
}

/** One product an expert, with the tokens that chose it: [tokens, inFeatures] → [tokens, numRows]. */
function mixedExperts(
  { emission, layer, input, tokens }: Mixture,
  { experts, gates }: RoutedRows,
  numRows: number,
  expert: (index: number) => { readonly matrix: Value; readonly bias: Value | null },
): Value {
  const { graph } = emission;
  const { k, numExperts } = layer.router;
  const inFeatures = input.shape[1]!;
  const int64 = (number: number): Value => graph.constant('int64', [number], []);
  // Padding counts as one expert more. A choice is a token and one of its k experts.
  const known = graph.node('Where', [tokens.isReal, experts, int64(numExperts)], ['int64', ['tokens', k]]);
  const choices = reshaped(graph, known, [-1], ['choices']);
  const order = sortingOrder(graph, choices);
  const tokenOf = k === 1 ? order : pointwise(graph, 'Div', order, int64(k));
  const sizes = Array.from({ length: numExperts + 1 }, () => ['float32', ['rows', inFeatures]] as const);
  const sorted = gathered(graph, input, tokenOf);
  const parts = graph.nodes('Split', [sorted, counts(graph, choices, sizes.length)], sizes, {
    attributes: { axis: 0 },
  });
  const padding = parts.pop()!;
  const outputs = parts.map((part, index) => {
    const { matrix, bias } = expert(index);
    return product(graph, part, matrix, bias, `expert${index}`);
  });
  outputs.push(zeros(graph, padding, numRows));
  const together = graph.node('Concat', outputs, ['float32', ['choices', numRows]], { attributes: { axis: 0 } });
  const places = reshaped(graph, sortingOrder(graph, order), [-1, k], ['tokens', k]);
  return weighted(graph, gates, gathered(graph, together, places));
}

/** The indices that sort a list, those of equal numbers in order: int64 [n] → [n]. */
function sortingOrder(graph: GraphBuilder, numbers: Value): Value {
  const length = graph.node('Shape', [numbers], ['int64', [1]]);
  const outputs = [numbers, numbers].map(({ shape }) => ['int64', shape] as const);
  return graph.nodes('TopK', [numbers, length], outputs, { name: 'sort', attributes: { largest: 0 } })[1]!;
}

/** How often each number from 0 to `length` occurs: int64 [n] → [length]. */
function counts(graph: GraphBuilder, numbers: Value, length: number): Value {
  const [rows = 0] = numbers.shape;
  const shape = [rows, length];
  const [first, last] = [0, 1].map((axis) => graph.constant('int64', [axis]));
  const column = graph.node('Unsqueeze', [numbers, last!], ['int64', [rows, 1]]);
  const each = graph.constant(
    'int64',
    Array.from({ length }, (_, number) => number),
  );
  const isEqual = graph.node('Equal', [column, each], ['bool', shape]);
  const ones = graph.node('Cast', [isEqual], ['int64', shape], { attributes: { to: elementTypes.int64 } });
  return graph.node('ReduceSum', [ones, first!], ['int64', [length]], { attributes: { keepdims: 0 } });
}

/** [rows, features], as many rows as another matrix has. */
function zeros(graph: GraphBuilder, like: Value, features: number): Value {
  const rows = graph.node('Shape', [like], ['int64', [1]], { attributes: { start: 0, end: 1 } });
  const size = graph.node('Concat', [rows, graph.constant('int64', [features])], ['int64', [2]], {
    attributes: { axis: 0 },
  });
  return graph.node('Expand', [graph.constant('float32', [0], []), size], ['float32', [like.shape[0]!, features]]);
}

/** Σ_i gate_i y_i: gates [tokens, k], values [tokens, k, features] → [tokens, features] */
function weighted(graph: GraphBuilder, gates: Value, values: Value): Value {
  const [tokens = 0, k = 0, features = 0] = values.shape;
  const axis = graph.constant('int64', [1]);
  const squeezed = (value: Value): Value => graph.node('Squeeze', [value, axis], ['float32', [tokens, features]]);
  // A softmax over one number is 1.
  if (k === 1) return squeezed(values);
  const rows = graph.node('Unsqueeze', [gates, axis], ['float32', [tokens, 1, k]]);
  return squeezed(graph.node('MatMul', [rows, values], ['float32', [tokens, 1, features]], { name: 'mix' }));
}

/**
 * Features in the order of the weight's rows: [tokens, dynamic] and [tokens, static] → [tokens, outFeatures]. They are
 * gathered as rows: runtimes copy these at once, and columns number by number.
 */
function joined(
  graph: GraphBuilder,
  {
    dynamic,
    constant,
    rows,
  }: { readonly dynamic: Value; readonly constant: Value; readonly rows: ReadonlySet<number> },
): Value {
  const outFeatures = (dynamic.shape[1] as number) + rows.size;
  const transposed = (value: Value): Value =>
    graph.node('Transpose', [value], ['float32', value.shape.toReversed()], { attributes: { perm: [1, 0] } });
  const both = graph.node('Concat', [dynamic, constant].map(transposed), ['float32', [outFeatures, 'tokens']], {
    attributes: { axis: 0 },
  });
  let [nextDynamic, nextStatic] = [0, outFeatures - rows.size];
  const places = Array.from({ length: outFeatures }, (_, row) => (rows.has(row) ? nextStatic++ : nextDynamic++));
  return transposed(gathered(graph, both, graph.constant('int64', places)));
}

/** y + Σ_i gate_i b_i, and 0 at padding: what experts that are whole do each for itself. */
function finished({ emission, path, layer, tokens }: Mixture, { experts, gates }: RoutedRows, output: Value): Value {
  const { graph } = emission;
  const { k, numExperts } = layer.router;
  const biases = weight(emission, `${path}.bias_bank`);
  const zero = graph.constant('float32', [0], []);
  const masked = (value: Value): Value => graph.node('Where', [tokens.isReal, value, zero], ['float32', value.shape]);
  if (!biases) return masked(output);
  const depth = graph.constant('int64', [numExperts], []);
  const values = graph.constant('float32', [0, 1]);
  const chosen = graph.node('OneHot', [experts, depth, values], ['float32', ['tokens', k, numExperts]]);
  return masked(
    graph.node('Gemm', [weighted(graph, gates, chosen), biases, output], ['float32', output.shape], { name: 'bias' }),
  );
}

/** Rows of a matrix by their indices. */
function gathered(graph: GraphBuilder, matrix: Value, indices: Value): Value {
  return graph.node('Gather', [matrix, indices], [matrix.type, [...indices.shape, ...matrix.shape.slice(1)]]);
}
