/** Layers of a picture network as operators of ONNX, for one sample where weights depend on the input. */
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

/** Global average pooling: [1, channels, …size] → [1, channels]. */
export function pooled(graph: GraphBuilder, input: Value): Value {
  const [batch, channels] = input.shape;
  const mean = graph.node(
    'GlobalAveragePool',
    [input],
    [float, [batch!, channels!, ...input.shape.slice(2).map(() => 1)]],
  );
  return graph.node('Flatten', [mean], [float, [batch!, channels!]]);
}

/** The decisions of a router for one sample, each [1, …]; null: 1 everywhere. */
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

/** Averages of the four quarters, which share a line where a side is odd: [1, channels, …size] → [1, 4 channels]. */
function quarters(graph: GraphBuilder, input: Value): Value {
  const [batch, channels, height = 0, width = 0] = input.shape as number[];
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
      const part = graph.node('Slice', [input, ...ends], [float, [batch!, channels!, bottom - top, right - left]]);
      const mean = graph.node('GlobalAveragePool', [part], [float, [batch!, channels!, 1, 1]]);
      return graph.node('Flatten', [mean], [float, [batch!, channels!]], { attributes: { axis: 2 } });
    }),
  );
  const columns = graph.node('Concat', means, [float, [channels!, 4]], { attributes: { axis: 1 } });
  return reshaped(graph, columns, [1, 4 * channels!]);
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

/** One value for each channel: [1, C] → [1, C, 1, …]. */
function eachMap(graph: GraphBuilder, values: Value, like: Value): Value {
  return reshaped(graph, values, [1, values.shape[1] as number, ...like.shape.slice(2).map(() => 1)]);
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
  const mixed = reshaped(graph, graph.node('MatMul', [coefficients, bank], [float, [1, size]], { name: 'mix' }), shape);
  const kernel = shape.slice(2);
  const weighed = spatial ? pointwise(graph, 'Mul', mixed, reshaped(graph, spatial, [1, 1, ...kernel])) : mixed;
  if (source.kind === 'dynamic' || isShared) return weighed;
  const constant = { kind: 'constant', source: path, weight: shape, shape } as const;
  return pointwise(graph, 'Add', weighed, graph.weights.add(`${path}.static_weight`, constant));
}

interface Mixture {
  /** α [1, K] */
  readonly coefficients: Value;
  /** On each position of the mixed kernel [1, positions]. */
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
): Value {
  const { graph } = emission;
  const filters = geometry.groups === 1 ? wholeFilters(source) : null;
  if (filters === null) {
    const { sumsToOne } = router;
    const kernel = parameter(emission, `${path}.source`, source, coefficients, { spatial, sumsToOne });
    return convolution(graph, input, kernel, bias, geometry);
  }
  const [outChannels = 0, ...filterShape] = source.shape;
  const [numDynamic, numStatic] = [filters.dynamic.length, filters.static.length];
  const biasOf = (indices: readonly number[]): Value | null =>
    bias && graph.node('Gather', [bias, graph.constant('int64', indices)], [float, [indices.length]]);
  const constant = weight(emission, `${path}.source.static_weight`, [numStatic, ...filterShape])!;
  const bank = weight(emission, `${path}.source.bank`)!;
  const mixed = graph.node('MatMul', [coefficients, bank], [float, [1, bank.shape[1]!]], { name: 'mix' });
  const positions = [1, 1, ...filterShape.slice(1)];
  const kernels = reshaped(graph, mixed, [numDynamic, ...filterShape]);
  const weighed = spatial ? pointwise(graph, 'Mul', kernels, reshaped(graph, spatial, positions)) : kernels;
  const parts = [
    convolution(graph, input, constant, biasOf(filters.static), geometry),
    convolution(graph, input, weighed, biasOf(filters.dynamic), geometry),
  ];
  const [batch, , ...size] = parts[0]!.shape;
  const shape = [batch!, outChannels, ...size];
  const sorted = graph.node('Concat', parts, [float, shape], { attributes: { axis: 1 } });
  const order = [...filters.static, ...filters.dynamic];
  const places = Array.from({ length: outChannels }, (_, filter) => order.indexOf(filter));
  return graph.node('Gather', [sorted, graph.constant('int64', places)], [float, shape], { attributes: { axis: 1 } });
}

/** Indices of the filters that are dynamic and static, where each is one as a whole and there are both. */
function wholeFilters(source: ParameterSource): Record<'dynamic' | 'static', readonly number[]> | null {
  return scope(() => {
    const { filters } = structureOf(source);
    return filters && { dynamic: filters.dynamic.toArray(), static: filters.static.toArray() };
  });
}

/** y = f(x) ⊙ (θ(x) ∗ (c(x) ⊙ x)) + Σ_k α_k(x) b_k + b: [1, inChannels, …size] → [1, outChannels, …size']. */
export function dynamicConv(emission: Emission, path: string, layer: DynamicConv, input: Value): Value {
  const { graph } = emission;
  const { router, source, geometry } = layer;
  const { coefficients, spatial, channel, filter } = attention(emission, `${path}.router`, router, input);
  if (source.kind !== 'static') emission.coefficients.push({ layer: path, value: coefficients });
  return graph.within(path, () => {
    const x = channel ? pointwise(graph, 'Mul', input, eachMap(graph, channel, input)) : input;
    const bias = weight(emission, `${path}.bias`);
    const bank = weight(emission, `${path}.bias_bank`);
    const outChannels = geometry.outChannels;
    const mixedBias =
      bank && graph.node('MatMul', [coefficients, bank], [float, [1, outChannels]], { name: 'mix_bias' });
    const sum = mixedBias && (bias ? pointwise(graph, 'Add', mixedBias, bias) : mixedBias);
    const convolve = (added: Value | null): Value =>
      mixedConvolution(emission, path, layer, x, { coefficients, spatial, bias: added });
    if (filter === null) return convolve(sum ? reshaped(graph, sum, [outChannels]) : bias);
    const output = convolve(null);
    const scaled = pointwise(graph, 'Mul', output, eachMap(graph, filter, output));
    const added = sum ?? (bias && reshaped(graph, bias, [1, outChannels]));
    return added ? pointwise(graph, 'Add', scaled, eachMap(graph, added, output)) : scaled;
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
    const phi = parameter(emission, `${path}.source`, source, coefficients, options);
    const fused = pointwise(graph, 'Add', convolution(graph, z, phi, of('phi_bias'), latentGeometry), z);
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
