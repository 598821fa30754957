/** Layers of a picture network as operators of ONNX. */
import { scope, type nn } from '@padnet/torch';
import { CondRouter, DcdRouter, KernelAttention, OdAttention, type Router } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import type { DecomposedConv2d, DynamicConv } from '../layers/index.js';
import { numEntries, type ParameterSource } from '../partial/index.js';
import { structureOf } from '../compute/filterStructure.js';
import { outputSize } from '../compute/outputSize.js';
import { GraphBuilder, type Value } from './graphBuilder.js';
import type { Dimension, ElementType } from './onnxFile.js';

/** The graph of a network as it grows, and what it is made of. */
export interface Emission {
  readonly graph: GraphBuilder;
  /** The tensors of the compact form. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /** The coefficients of each dynamic layer, in the order in which they run. */
  readonly coefficients: { readonly layer: string; readonly value: Value }[];
}

const float: ElementType = 'float32';

/** A tensor of the compact form, or null where it has none of this name. */
export function weight({ graph, tensors }: Emission, name: string, shape?: readonly number[]): Value | null {
  const tensor = tensors.get(name);
  return tensor ? graph.weights.add(name, { kind: 'tensor', tensor: name, shape: [...(shape ?? tensor.shape)] }) : null;
}

/** x·Wᵀ + b, [rows, inFeatures] → [rows, outFeatures]. */
export function linear(emission: Emission, path: string, input: Value, name = path): Value {
  const matrix = weight(emission, `${path}.weight`)!;
  return emission.graph.within(name, () => product(emission.graph, input, matrix, weight(emission, `${path}.bias`)));
}

/** x·Wᵀ + b, [rows, inFeatures] × [outFeatures, inFeatures]; b [outFeatures] or [rows, outFeatures]. */
export function product(graph: GraphBuilder, input: Value, matrix: Value, bias: Value | null, name = 'Gemm'): Value {
  return graph.node(
    'Gemm',
    bias ? [input, matrix, bias] : [input, matrix],
    [float, [input.shape[0]!, matrix.shape[0]!]],
    {
      name,
      attributes: { transB: 1 },
    },
  );
}

/** An operator that keeps the shape of its input. */
export function pointwise(graph: GraphBuilder, type: string, input: Value, ...others: readonly Value[]): Value {
  return graph.node(type, [input, ...others], [input.type, input.shape]);
}

/** Global average pooling: [batch, channels, …size] → [batch, channels]. */
export function pooled(graph: GraphBuilder, input: Value): Value {
  const [batch, channels] = input.shape;
  const mean = graph.node(
    'GlobalAveragePool',
    [input],
    [float, [batch!, channels!, ...input.shape.slice(2).map(() => 1)]],
  );
  return graph.node('Flatten', [mean], [float, [batch!, channels!]]);
}

/** The decisions of a router, each [batch, …]; null: 1 everywhere. */
interface AttentionValues {
  readonly coefficients: Value;
  readonly spatial: Value | null;
  readonly channel: Value | null;
  readonly filter: Value | null;
}

/** @throws InputError where the router is code of one's own, which has no graph */
function attention(emission: Emission, path: string, router: Router, input: Value): AttentionValues {
  const { graph } = emission;
  const only = (coefficients: Value): AttentionValues => ({ coefficients, spatial: null, channel: null, filter: null });
  const at = (name: string): string => `${path}.${name}`;
  const cooled = (value: Value): Value => pointwise(graph, 'Div', value, weight(emission, at('temperature'), [])!);
  const softmax = (value: Value): Value => pointwise(graph, 'Softmax', cooled(value));
  return graph.within(path, () => {
    if (router instanceof KernelAttention) {
      const hidden = pointwise(graph, 'Relu', linear(emission, at('fc1'), pooled(graph, input)));
      return only(softmax(linear(emission, at('fc2'), hidden)));
    }
    if (router instanceof CondRouter)
      return only(pointwise(graph, 'Sigmoid', linear(emission, at('fc'), pooled(graph, input))));
    if (router instanceof OdAttention) {
      const hidden = pointwise(graph, 'Relu', linear(emission, at('fc'), pooled(graph, input)));
      const sigmoid = (name: string): Value => pointwise(graph, 'Sigmoid', cooled(linear(emission, at(name), hidden)));
      return {
        coefficients: softmax(linear(emission, at('kernel.linear'), hidden)),
        spatial: router.spatial && sigmoid('spatial'),
        channel: sigmoid('channel'),
        filter: router.filter && sigmoid('filter'),
      };
    }
    if (router instanceof DcdRouter) {
      const features = linear(emission, at('fc'), quarters(graph, input));
      const gate = hardSigmoid(graph, linear(emission, at('gate'), features));
      const coefficients = pointwise(graph, 'Mul', features, gate);
      const filter = hardSigmoid(graph, linear(emission, at('scale'), coefficients));
      return { coefficients, spatial: null, channel: null, filter };
    }
    throw new InputError(
      `${path}: a router of one’s own is code, which has no graph; train with one of the four convolutions to export`,
    );
  });
}

/** relu6(v + 3) / 3 */
function hardSigmoid(graph: GraphBuilder, input: Value): Value {
  const [zero, three, six] = [0, 3, 6].map((number) => graph.constant('float32', [number], []));
  const raised = pointwise(graph, 'Add', input, three!);
  return pointwise(graph, 'Div', pointwise(graph, 'Clip', raised, zero!, six!), three!);
}

/** Averages of the four quarters, which share a line of an odd side: [batch, channels, …] → [batch, 4 channels]. */
function quarters(graph: GraphBuilder, input: Value): Value {
  const [batch, ...shape] = input.shape;
  const [channels = 0, height = 0, width = 0] = shape as number[];
  const halves = (size: number): [from: number, to: number][] => [
    [0, Math.ceil(size / 2)],
    [Math.floor(size / 2), size],
  ];
  const means = halves(height).flatMap(([top, bottom]) =>
    halves(width).map(([left, right]) => {
      const ends = [
        [top, left],
        [bottom, right],
        [2, 3],
      ].map((numbers) => graph.constant('int64', numbers));
      const part = graph.node('Slice', [input, ...ends], [float, [batch!, channels, bottom - top, right - left]]);
      const mean = graph.node('GlobalAveragePool', [part], [float, [batch!, channels, 1, 1]]);
      return reshaped(graph, mean, [0, channels, 1], [batch!, channels, 1]);
    }),
  );
  const columns = graph.node('Concat', means, [float, [batch!, channels, 4]], { attributes: { axis: 2 } });
  return reshaped(graph, columns, [0, 4 * channels], [batch!, 4 * channels]);
}

/** @param shape where `to` has 0 or −1 */
export function reshaped(
  graph: GraphBuilder,
  input: Value,
  to: readonly number[],
  shape: readonly Dimension[] = to,
): Value {
  return graph.node('Reshape', [input, graph.constant('int64', to)], [input.type, shape]);
}

/** One value for each channel: [batch, C] → [batch, C, 1, …]. */
function eachMap(graph: GraphBuilder, values: Value, like: Value): Value {
  const [batch, channels] = values.shape;
  const ones = like.shape.slice(2).map(() => 1);
  return reshaped(graph, values, [0, channels as number, ...ones], [batch!, channels!, ...ones]);
}

/** y = W ∗ x + b */
export function convolution(
  graph: GraphBuilder,
  input: Value,
  kernel: Value,
  bias: Value | null,
  geometry: nn.ConvGeometry,
): Value {
  const { stride, padding, dilation, groups, kernelSize } = geometry;
  const size = outputSize(geometry, input.shape as number[]);
  const shape = [input.shape[0]!, kernel.shape[0]!, ...size];
  return graph.node('Conv', bias ? [input, kernel, bias] : [input, kernel], [float, shape], {
    attributes: {
      kernel_shape: kernelSize,
      strides: stride,
      pads: [...padding, ...padding],
      dilations: dilation,
      group: groups,
    },
  });
}

/** s ⊙ Σ_k α_k Θ_k of a sample: α [1, K], bank [K, entries] and s [1, positions] → `shape`. */
function kernelOf(
  graph: GraphBuilder,
  coefficients: Value,
  bank: Value,
  shape: readonly number[],
  spatial: Value | null,
): Value {
  const mixed = graph.node('MatMul', [coefficients, bank], [float, [1, numEntries(shape)]], { name: 'mix' });
  const kernel = reshaped(graph, mixed, shape);
  return spatial ? pointwise(graph, 'Mul', kernel, reshaped(graph, spatial, [1, 1, ...shape.slice(2)])) : kernel;
}

/**
 * θ(x) of a sample, of the weight's shape.
 *
 * @param coefficients α [1, K]
 * @param spatial on each position of the mixed kernel [1, positions]
 */
function parameter(
  emission: Emission,
  path: string,
  source: ParameterSource,
  coefficients: Value,
  { spatial, sumsToOne }: { readonly spatial: Value | null; readonly sumsToOne: boolean },
): Value {
  const { graph } = emission;
  const shape = [...source.shape];
  if (source.kind === 'static') return weight(emission, `${path}.static_weight`)!;
  const size = numEntries(shape);
  const rows = [source.numKernels, size];
  const isShared = sumsToOne && spatial === null;
  const bank =
    source.kind === 'dynamic'
      ? weight(emission, `${path}.bank`, rows)!
      : graph.weights.add(`${path}.bank`, {
          kind: 'bank',
          source: path,
          weight: shape,
          constant: isShared ? 'shared' : 'none',
          shape: rows,
        });
  const weighed = kernelOf(graph, coefficients, bank, shape, spatial);
  if (source.kind === 'dynamic' || isShared) return weighed;
  const constant = { kind: 'constant', source: path, weight: shape, shape } as const;
  return pointwise(graph, 'Add', weighed, graph.weights.add(`${path}.static_weight`, constant));
}

/** What follows a convolution: activation(y + residual). */
export interface Epilogue {
  /** [batch, outChannels, …size], made when it is needed; null: 0. */
  readonly residual: (() => Value) | null;
  readonly activation: nn.BatchNorm['activation'];
}

export const noEpilogue: Epilogue = { residual: null, activation: 'none' };

export function activated(graph: GraphBuilder, activation: Epilogue['activation'], input: Value): Value {
  switch (activation) {
    case 'none':
      return input;
    case 'relu':
      return pointwise(graph, 'Relu', input);
    case 'relu6': {
      const [low, high] = [0, 6].map((bound) => graph.constant('float32', [bound], []));
      return pointwise(graph, 'Clip', input, low!, high!);
    }
  }
}

export function finished(
  graph: GraphBuilder,
  output: Value,
  residual: Value | null,
  activation: Epilogue['activation'],
): Value {
  return activated(graph, activation, residual ? pointwise(graph, 'Add', output, residual) : output);
}

/**
 * What a sample after the other gives, as one Scan: a convolution whose weights differ within a batch is none of ONNX.
 * Samples keep a dimension of 1, so that a runtime need not copy them.
 *
 * @param inputs [batch, …]; the samples are [1, …]
 */
function perSample(
  emission: Emission,
  inputs: readonly Value[],
  build: (inner: Emission, samples: readonly Value[]) => Value,
): Value {
  const { graph } = emission;
  const axis = graph.constant('int64', [1]);
  const scanned = inputs.map((input) => {
    const [batch, ...each] = input.shape;
    return graph.node('Unsqueeze', [input, axis], [input.type, [batch!, 1, ...each]]);
  });
  const body = new GraphBuilder(graph.weights, graph);
  const samples = inputs.map(({ type, shape: [, ...each] }) => body.input('sample', type, [1, ...each]));
  const result = build({ ...emission, graph: body }, samples);
  body.result(result);
  const [, ...each] = result.shape;
  const [batch] = inputs[0]!.shape;
  const stacked = graph.node('Scan', scanned, [result.type, [batch!, 1, ...each]], {
    attributes: { body: body.build('sample'), num_scan_inputs: inputs.length },
  });
  return graph.node('Squeeze', [stacked, axis], [result.type, [batch!, ...each]]);
}

interface Mixture {
  /** α [batch, K] */
  readonly coefficients: Value;
  /** On each position of the mixed kernel [batch, positions]. */
  readonly spatial: Value | null;
  /** [outChannels] */
  readonly bias: Value | null;
}

/** θ(x) ∗ x + b. Filters that are static as a whole are a convolution of their own, whose weights are constant. */
function mixedConvolution(
  emission: Emission,
  path: string,
  { source, router, geometry }: DynamicConv,
  input: Value,
  { coefficients, spatial, bias }: Mixture,
  { residual, activation }: Epilogue,
): Value {
  const { graph } = emission;
  const added = residual?.() ?? null;
  if (source.kind === 'static') {
    const kernel = weight(emission, `${path}.source.static_weight`)!;
    return finished(graph, convolution(graph, input, kernel, bias, geometry), added, activation);
  }
  type MakeKernel = (inner: Emission, alpha: Value, positions: Value | null) => Value;
  const mixed = (
    make: MakeKernel,
    ownBias: Value | null,
    ownResidual: Value | null,
    last: typeof activation,
  ): Value => {
    const optional = [spatial, ownResidual].filter((each) => each !== null);
    return perSample(emission, [input, coefficients, ...optional], (inner, [x, alpha, ...others]) => {
      const kernel = make(inner, alpha!, spatial ? others.shift()! : null);
      return finished(inner.graph, convolution(inner.graph, x!, kernel, ownBias, geometry), others[0] ?? null, last);
    });
  };
  const filters = geometry.groups === 1 ? wholeFilters(source) : null;
  if (filters === null) {
    const { sumsToOne } = router;
    return mixed(
      (inner, alpha, positions) => parameter(inner, `${path}.source`, source, alpha, { spatial: positions, sumsToOne }),
      bias,
      added,
      activation,
    );
  }
  const [outChannels = 0, ...filterShape] = source.shape;
  const biasOf = (indices: readonly number[]): Value | null =>
    bias && graph.node('Gather', [bias, graph.constant('int64', indices)], [float, [indices.length]]);
  const constant = weight(emission, `${path}.source.static_weight`, [filters.static.length, ...filterShape])!;
  const bank = weight(emission, `${path}.source.bank`)!;
  const early = added ? 'none' : activation;
  const parts = [
    activated(graph, early, convolution(graph, input, constant, biasOf(filters.static), geometry)),
    mixed(
      (inner, alpha, positions) =>
        kernelOf(inner.graph, alpha, bank, [filters.dynamic.length, ...filterShape], positions),
      biasOf(filters.dynamic),
      null,
      early,
    ),
  ];
  const [batch, , ...size] = parts[0]!.shape;
  const shape = [batch!, outChannels, ...size];
  const sorted = graph.node('Concat', parts, [float, shape], { attributes: { axis: 1 } });
  const order = [...filters.static, ...filters.dynamic];
  const places = Array.from({ length: outChannels }, (_, filter) => order.indexOf(filter));
  const axis = { attributes: { axis: 1 } };
  const output = graph.node('Gather', [sorted, graph.constant('int64', places)], [float, shape], axis);
  return added ? finished(graph, output, added, activation) : output;
}

/** Indices of the filters that are dynamic and static, where each is one as a whole and there are both. */
function wholeFilters(source: ParameterSource): Record<'dynamic' | 'static', readonly number[]> | null {
  return scope(() => {
    const { filters } = structureOf(source);
    return filters && { dynamic: filters.dynamic.toArray(), static: filters.static.toArray() };
  });
}

/**
 * f(x) ⊙ (θ(x) ∗ (c(x) ⊙ x)) + Σ_k α_k(x) b_k + b, and what follows: [batch, inChannels, …size] → [batch, outChannels,
 * …size'].
 */
export function dynamicConv(
  emission: Emission,
  path: string,
  layer: DynamicConv,
  input: Value,
  epilogue: Epilogue,
): Value {
  const { graph } = emission;
  const { router, source, geometry } = layer;
  const { coefficients, spatial, channel, filter } = attention(emission, `${path}.router`, router, input);
  if (source.kind !== 'static') emission.coefficients.push({ layer: path, value: coefficients });
  return graph.within(path, () => {
    const x = channel ? pointwise(graph, 'Mul', input, eachMap(graph, channel, input)) : input;
    const bias = weight(emission, `${path}.bias`);
    const bank = weight(emission, `${path}.bias_bank`);
    const mixture = { coefficients, spatial };
    if (filter === null && bank === null)
      return mixedConvolution(emission, path, layer, x, { ...mixture, bias }, epilogue);
    // What is added comes behind the filter attention.
    const output = mixedConvolution(emission, path, layer, x, { ...mixture, bias: null }, noEpilogue);
    const scaled = filter ? pointwise(graph, 'Mul', output, eachMap(graph, filter, output)) : output;
    const channels = [coefficients.shape[0]!, geometry.outChannels];
    const mixed = bank && graph.node('MatMul', [coefficients, bank], [float, channels], { name: 'mix_bias' });
    const withMixed = mixed ? pointwise(graph, 'Add', scaled, eachMap(graph, mixed, output)) : scaled;
    const size = [1, geometry.outChannels, ...output.shape.slice(2).map(() => 1)];
    const whole = bias ? pointwise(graph, 'Add', withMixed, reshaped(graph, bias, size)) : withMixed;
    return finished(graph, whole, epilogue.residual?.() ?? null, epilogue.activation);
  });
}

/** y = s(x) ⊙ (W ∗ x) + P · (z + Φ(x) · z + b_Φ) + b,   z = Q ∗ x + b_q */
export function decomposedConv(emission: Emission, path: string, layer: DecomposedConv2d, input: Value): Value {
  const { graph } = emission;
  const { router, source, geometry, latentGeometry } = layer;
  const { coefficients, filter } = attention(emission, `${path}.router`, router, input);
  const of = (name: string): Value | null => weight(emission, `${path}.${name}`);
  return graph.within(path, () => {
    const main = convolution(graph, input, of('weight')!, null, geometry);
    // A 1×1 kernel that sees the centre of the other: padding less what is before the centre, which may be below 0.
    const before = geometry.kernelSize.map((size, axis) => Math.floor((geometry.dilation[axis]! * (size - 1)) / 2));
    const reach = geometry.kernelSize.map((size, axis) => geometry.dilation[axis]! * (size - 1));
    const starts = geometry.padding.map((padding, axis) => padding - before[axis]!);
    const ends = geometry.padding.map((padding, axis) => padding - (reach[axis]! - before[axis]!));
    const centred = padded(graph, input, starts, ends);
    const latentInput = { ...geometry, groups: 1, kernelSize: [1, 1], padding: [0, 0], dilation: [1, 1] };
    const z = convolution(graph, centred, of('q')!, of('q_bias'), latentInput);
    const options = { spatial: null, sumsToOne: router.sumsToOne };
    const mixed = perSample(emission, [z, coefficients], (inner, [latent, alpha]) => {
      const phi = parameter(inner, `${path}.source`, source, alpha!, options);
      return convolution(inner.graph, latent!, phi, of('phi_bias'), latentGeometry);
    });
    const fused = pointwise(graph, 'Add', mixed, z);
    const branch = convolution(graph, fused, of('p')!, of('bias'), {
      ...latentGeometry,
      outChannels: geometry.outChannels,
    });
    return pointwise(graph, 'Add', pointwise(graph, 'Mul', main, eachMap(graph, filter!, main)), branch);
  });
}

/** Zeros around a map; below 0 it is cropped. */
function padded(graph: GraphBuilder, input: Value, starts: readonly number[], ends: readonly number[]): Value {
  if ([...starts, ...ends].every((count) => count === 0)) return input;
  const [batch, channels, ...size] = input.shape as number[];
  const shape = [batch!, channels!, ...size.map((length, axis) => length + starts[axis]! + ends[axis]!)];
  const pads = graph.constant('int64', [0, 0, ...starts, 0, 0, ...ends]);
  return graph.node('Pad', [input, pads], [float, shape]);
}
