/** A network for texts as a graph of ONNX. */
import type { OptionalOutput } from '@padnet/runtime';
import type { nn } from '@padnet/torch';
import { MoELinear, type FeedForward } from '../layers/index.js';
import {
  families,
  type ActivationName,
  type SelfAttention,
  type SequenceClassifier,
  type TextConfig,
  type TextEmbeddings,
} from '../models/index.js';
import { expertMixture, type RoutedRows } from './expertGraph.js';
import { ExternalWeights, GraphBuilder, type Value } from './graphBuilder.js';
import { linear, pointwise, reshaped, weight, type Emission } from './layerGraph.js';
import { elementTypes, type Dimension } from './onnxFile.js';
import type { ExportedGraph } from './pictureGraph.js';
import { TokenRows } from './tokenRows.js';

/** A network's graph as it grows; hidden states are [tokens, hiddenSize], tokens = batch × length. */
interface TextEmission extends Emission {
  readonly config: TextConfig;
  readonly inputs: TokenInputs;
  readonly tokens: TokenRows;
  /** Added to the scores of attention: [batch, 1, 1, length]. */
  readonly bias: Value;
  /** One of each mixture that runs, in order. */
  readonly routed: { readonly path: string; readonly layer: MoELinear; readonly decision: RoutedRows }[];
}

/** int64 [batch, length] each */
interface TokenInputs {
  readonly ids: Value;
  readonly mask: Value;
  readonly types: Value;
}

/**
 * `input_ids`, `attention_mask`, `token_type_ids` [batch, length] → `logits` [batch, labels], and of each mixture that
 * runs `PATH.experts` and `PATH.gates` [rows, k]; of a layer that runs again `PATH.2.experts`, and so on.
 */
export function textGraph(
  network: SequenceClassifier,
  tensors: Emission['tensors'],
  weightsFile: string,
): ExportedGraph {
  const weights = new ExternalWeights(weightsFile);
  const graph = new GraphBuilder(weights);
  const [ids, mask, types] = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) =>
    graph.input(name, 'int64', ['batch', 'length']),
  ) as [Value, Value, Value];
  const isReal = graph.within('tokens', () =>
    graph.node('Cast', [mask], ['bool', mask.shape], { attributes: { to: elementTypes.bool } }),
  );
  const emission: TextEmission = {
    graph,
    tensors,
    coefficients: [],
    config: network.config,
    inputs: { ids, mask, types },
    tokens: new TokenRows(graph, isReal),
    bias: graph.within('tokens', () => attentionBias(graph, isReal)),
    routed: [],
  };
  const { encoder } = network;
  const embedded = embeddings(emission, 'embeddings', network.embeddings);
  const hidden = encoder.order.reduce((x, index) => {
    const { attention, feedForward, norm } = encoder.layers.items[index]!;
    const path = `encoder.layers.${index}`;
    const attended = selfAttention(emission, `${path}.attention`, attention, x);
    const added = feedForwardBlock(emission, `${path}.feed_forward`, feedForward, attended);
    return residual(emission, path, norm, added, attended);
  }, embedded);
  graph.output('logits', classificationHead(emission, 'head', hidden));
  return { graph: graph.build('network'), weights, outputs: expertOutputs(emission) };
}

function expertOutputs({ graph, routed }: TextEmission): OptionalOutput[] {
  const runs = new Map<string, number>();
  return routed.map(({ path, layer, decision }) => {
    const run = (runs.get(path) ?? 0) + 1;
    runs.set(path, run);
    const name = run === 1 ? path : `${path}.${run}`;
    const [experts, gates] = [`${name}.experts`, `${name}.gates`];
    graph.output(experts, decision.experts);
    graph.output(gates, decision.gates);
    const { k, numExperts } = layer.router;
    return { kind: 'experts', experts, gates, layer: path, k, numExperts, level: layer.routing };
  });
}

/** 0 for real tokens, the lowest number for padding: bool [batch, length] → [batch, 1, 1, length]. */
function attentionBias(graph: GraphBuilder, isReal: Value): Value {
  const shape = ['batch', 1, 1, 'length'];
  const [zero, lowest] = [0, -3.4028234663852886e38].map((number) => graph.constant('float32', [number], []));
  const keys = graph.node('Unsqueeze', [isReal, graph.constant('int64', [1, 2])], ['bool', shape]);
  return graph.node('Where', [keys, zero!, lowest!], ['float32', shape]);
}

/** LayerNorm(word + token type + position), projected where the family does so. */
function embeddings(emission: TextEmission, path: string, module: TextEmbeddings): Value {
  const { graph, config, inputs } = emission;
  const { embeddingSize } = config;
  const table = (name: string): Value => weight(emission, `${path}.${name}.weight`)!;
  const rows = (name: string, indices: Value): Value =>
    graph.within(`${path}.${name}`, () =>
      graph.node('Gather', [table(name), indices], ['float32', ['batch', 'length', embeddingSize]]),
    );
  const words = rows('word_embeddings', inputs.ids);
  const types = rows('token_type_embeddings', inputs.types);
  const positions =
    families[config.family].positions === 'afterPadding'
      ? rows(
          'position_embeddings',
          graph.within(path, () => positionsAfterPadding(emission)),
        )
      : graph.within(`${path}.position_embeddings`, () => {
          const ends = [graph.constant('int64', [0]), sizeOf(graph, inputs.ids, 1)];
          return graph.node('Slice', [table('position_embeddings'), ...ends], ['float32', ['length', embeddingSize]]);
        });
  const flat = graph.within(path, () => {
    const sum = pointwise(graph, 'Add', pointwise(graph, 'Add', words, types), positions);
    return reshaped(graph, sum, [-1, embeddingSize], ['tokens', embeddingSize]);
  });
  const normed = layerNorm(emission, `${path}.norm`, module.norm, flat);
  return module.projection ? linear(emission, `${path}.projection`, normed) : normed;
}

/** The n-th real token has position padTokenId + n, padding has padTokenId: int64 [batch, length]. */
function positionsAfterPadding({ graph, config, inputs }: TextEmission): Value {
  const { ids } = inputs;
  const padding = graph.constant('int64', [config.padTokenId], []);
  const isPadding = graph.node('Equal', [ids, padding], ['bool', ids.shape]);
  const isReal = graph.node('Not', [isPadding], ['bool', ids.shape]);
  const real = graph.node('Cast', [isReal], ['int64', ids.shape], { attributes: { to: elementTypes.int64 } });
  const counted = pointwise(graph, 'CumSum', real, graph.constant('int64', [1], []));
  return pointwise(graph, 'Add', pointwise(graph, 'Mul', counted, real), padding);
}

/** LayerNorm(x + output(softmax(Q Kᵀ / √d + bias) V)) */
function selfAttention(emission: TextEmission, path: string, module: SelfAttention, input: Value): Value {
  const { graph, bias, inputs } = emission;
  const heads = module.numHeads;
  const headSize = (input.shape[1] as number) / heads;
  const [query, key, value] = ['query', 'key', 'value'].map((name) => linear(emission, `${path}.${name}`, input));
  const merged = graph.within(path, () => {
    const size = withSizes(graph, inputs.ids, [heads, headSize]);
    const split = (x: Value, perm: readonly number[], shape: readonly Dimension[]): Value => {
      const apart = graph.node('Reshape', [x, size], ['float32', ['batch', 'length', heads, headSize]]);
      return graph.node('Transpose', [apart], ['float32', shape], { attributes: { perm } });
    };
    const rows = ['batch', heads, 'length', headSize];
    const scale = graph.constant('float32', [headSize ** -0.5], []);
    const scaled = pointwise(graph, 'Mul', split(query!, [0, 2, 1, 3], rows), scale);
    const keys = split(key!, [0, 2, 3, 1], ['batch', heads, headSize, 'length']);
    const scores = graph.node('MatMul', [scaled, keys], ['float32', ['batch', heads, 'length', 'length']]);
    const probabilities = pointwise(graph, 'Softmax', pointwise(graph, 'Add', scores, bias));
    const context = graph.node('MatMul', [probabilities, split(value!, [0, 2, 1, 3], rows)], ['float32', rows]);
    const tokens = graph.node('Transpose', [context], ['float32', ['batch', 'length', heads, headSize]], {
      attributes: { perm: [0, 2, 1, 3] },
    });
    return reshaped(graph, tokens, [-1, heads * headSize], input.shape);
  });
  return residual(emission, path, module.norm, linear(emission, `${path}.output`, merged), input);
}

/** output(activation(intermediate(x))) */
function feedForwardBlock(emission: TextEmission, path: string, module: FeedForward, input: Value): Value {
  const { graph, config, tokens, routed } = emission;
  const apply = (name: 'intermediate' | 'output', x: Value): Value => {
    const [at, layer] = [`${path}.${name}`, module[name]];
    if (!(layer instanceof MoELinear)) return linear(emission, at, x);
    const { output, decision } = expertMixture({ emission, path: at, layer, input: x, tokens });
    routed.push({ path: at, layer, decision });
    return output;
  };
  const inner = apply('intermediate', input);
  return apply(
    'output',
    graph.within(path, () => activated(graph, config.hiddenAct, inner)),
  );
}

/** From the first token's hidden state to logits [batch, labels]. */
function classificationHead(emission: TextEmission, path: string, hidden: Value): Value {
  const { graph, config, inputs } = emission;
  const { family, hiddenSize } = config;
  const first = graph.within(path, () => {
    const size = withSizes(graph, inputs.ids, [hiddenSize]);
    const texts = graph.node('Reshape', [hidden, size], ['float32', ['batch', 'length', hiddenSize]]);
    const index = graph.constant('int64', [0], []);
    return graph.node('Gather', [texts, index], ['float32', ['batch', hiddenSize]], { attributes: { axis: 1 } });
  });
  const dense = linear(emission, `${path}.dense`, first);
  const inner = graph.within(path, () => activated(graph, families[family].head.activation, dense));
  return linear(emission, `${path}.output`, inner);
}

/** LayerNorm(added + input) */
function residual(emission: Emission, path: string, norm: nn.LayerNorm, added: Value, input: Value): Value {
  const sum = emission.graph.within(path, () => pointwise(emission.graph, 'Add', added, input));
  return layerNorm(emission, `${path}.norm`, norm, sum);
}

function layerNorm(emission: Emission, path: string, norm: nn.LayerNorm, input: Value): Value {
  const { graph } = emission;
  const inputs = [input, weight(emission, `${path}.weight`)!, weight(emission, `${path}.bias`)!];
  return graph.within(path, () =>
    graph.node('LayerNormalization', inputs, ['float32', input.shape], {
      attributes: { axis: -1, epsilon: { float: norm.eps } },
    }),
  );
}

/** Activations by the formulas of models/text/activation.ts; runtimes know those of GELU as one operator. */
function activated(graph: GraphBuilder, name: ActivationName, input: Value): Value {
  const number = (value: number): Value => graph.constant('float32', [value], []);
  const apply = (type: string, ...inputs: [Value, ...Value[]]): Value => pointwise(graph, type, ...inputs);
  switch (name) {
    case 'gelu':
    case 'gelu_python': {
      const error = apply('Erf', apply('Div', input, number(Math.SQRT2)));
      return apply('Mul', apply('Mul', input, apply('Add', error, number(1))), number(0.5));
    }
    case 'gelu_new':
    case 'gelu_fast':
    case 'gelu_pytorch_tanh':
    case 'gelu_python_tanh':
    case 'gelu_accurate': {
      const cubic = apply('Mul', apply('Pow', input, number(3)), number(0.044715));
      const inner = apply('Mul', apply('Add', input, cubic), number(Math.sqrt(2 / Math.PI)));
      const raised = apply('Add', apply('Tanh', inner), number(1));
      return apply('Mul', apply('Mul', input, number(0.5)), raised);
    }
    case 'relu':
      return apply('Relu', input);
    case 'silu':
    case 'swish':
      return apply('Mul', input, apply('Sigmoid', input));
    case 'tanh':
      return apply('Tanh', input);
    default:
      return name satisfies never;
  }
}

/** The length of one dimension, int64 [1]. */
function sizeOf(graph: GraphBuilder, value: Value, axis: number): Value {
  return graph.node('Shape', [value], ['int64', [1]], { attributes: { start: axis, end: axis + 1 } });
}

/** A shape of which the leading lengths are those of `value`. */
function withSizes(graph: GraphBuilder, value: Value, more: readonly number[]): Value {
  const size = graph.node('Shape', [value], ['int64', [value.shape.length]]);
  const length = value.shape.length + more.length;
  return graph.node('Concat', [size, graph.constant('int64', more)], ['int64', [length]], { attributes: { axis: 0 } });
}
