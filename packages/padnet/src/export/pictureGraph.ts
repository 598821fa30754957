/** A network for pictures as a graph of ONNX. */
import { nn } from '@padnet/torch';
import { InputError } from '../errors.js';
import { DecomposedConv2d, DynamicConv, normedConvolutions } from '../layers/index.js';
import { BasicBlock, Bottleneck, InvertedResidual, MobileNetV2, ResNet } from '../models/index.js';
import { ExternalWeights, GraphBuilder, type Value } from './graphBuilder.js';
import {
  activated,
  convolution,
  decomposedConv,
  dynamicConv,
  type Epilogue,
  finished,
  linear,
  noEpilogue,
  pointwise,
  pooled,
  weight,
  type Emission,
} from './layerGraph.js';
import type { Graph } from './onnxFile.js';
import type { OptionalOutput } from '@padnet/runtime';

export interface ExportedGraph {
  readonly graph: Graph;
  readonly weights: ExternalWeights;
  readonly outputs: readonly OptionalOutput[];
}

/**
 * `pixels` [batch, …shape] → `logits` [batch, classes], and the coefficients of each dynamic layer [batch, K].
 *
 * @param shape of a sample: [channels, …size]
 * @throws InputError where a layer has no graph
 */
export function pictureGraph(
  network: nn.Layer,
  tensors: Emission['tensors'],
  shape: readonly number[],
  weightsFile: string,
): ExportedGraph {
  const weights = new ExternalWeights(weightsFile);
  const graph = new GraphBuilder(weights);
  const emission: Emission = { graph, tensors, coefficients: [] };
  graph.output('logits', moduleGraph(emission, '', network, graph.input('pixels', 'float32', ['batch', ...shape])));
  const outputs = emission.coefficients.map(({ layer, value }) => {
    const name = `${layer}.coefficients`;
    graph.output(name, value);
    return { kind: 'coefficients', name, layer, kernels: value.shape[1] as number } as const;
  });
  return { graph: graph.build('network'), weights, outputs };
}

/**
 * @param path of the module within the network
 * @param epilogue of convolutions alone
 */
function moduleGraph(
  emission: Emission,
  path: string,
  module: nn.Module,
  input: Value,
  epilogue: Epilogue = noEpilogue,
): Value {
  const { graph } = emission;
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const child = (name: string, value: Value, then?: Epilogue): Value =>
    moduleGraph(emission, at(name), childOf(module, name), value, then);
  const relu = { residual: null, activation: 'relu' } as const;

  if (module instanceof ResNet) {
    let x = child('maxpool', child('conv1', input, relu));
    for (const stage of ['layer1', 'layer2', 'layer3', 'layer4']) x = child(stage, x);
    return child('fc', pooled(graph, x));
  }
  if (module instanceof BasicBlock || module instanceof Bottleneck) {
    const residual = (): Value => (module.downsample ? child('downsample', input) : input);
    const first = child('conv1', input, relu);
    if (module instanceof BasicBlock) return child('conv2', first, { residual, activation: 'relu' });
    return child('conv3', child('conv2', first, relu), { residual, activation: 'relu' });
  }
  if (module instanceof MobileNetV2) return child('classifier', pooled(graph, child('features', input)));
  if (module instanceof InvertedResidual) {
    const output = child('conv', input);
    return module.addsInput ? graph.within(path, () => pointwise(graph, 'Add', output, input)) : output;
  }
  if (module instanceof nn.Sequential) {
    const normed = normedConvolutions(module);
    const norms = new Set(normed.map(({ norm }) => norm.name));
    const activations = new Map(normed.map(({ conv, norm }) => [conv.name, norm.module.activation]));
    let x = input;
    for (const [name] of module.children()) {
      if (norms.has(name)) continue;
      x = child(name, x, { residual: null, activation: activations.get(name) ?? 'none' });
    }
    return x;
  }
  if (module instanceof DynamicConv) return dynamicConv(emission, path, module, input, epilogue);
  if (module instanceof DecomposedConv2d || module instanceof nn.Conv) {
    const output =
      module instanceof DecomposedConv2d
        ? decomposedConv(emission, path, module, input)
        : staticConv(emission, path, module, input);
    const residual = epilogue.residual?.() ?? null;
    return graph.within(path, () => finished(graph, output, residual, epilogue.activation));
  }
  if (module instanceof nn.BatchNorm) return batchNorm(emission, path, module, input);
  if (module instanceof nn.MaxPool1d || module instanceof nn.MaxPool2d) return maxPool(graph, path, module, input);
  if (module instanceof nn.Linear) return linear(emission, path, input);
  if (module instanceof nn.Identity || module instanceof nn.Dropout) return input;
  if (module instanceof nn.ReLU) return graph.within(path, () => activated(graph, 'relu', input));
  if (module instanceof nn.ReLU6) return graph.within(path, () => activated(graph, 'relu6', input));
  if (module instanceof nn.Flatten && module.startDim === 1 && module.endDim === -1) {
    const size = (input.shape.slice(1) as number[]).reduce((product, length) => product * length);
    return graph.within(path, () => graph.node('Flatten', [input], ['float32', [input.shape[0]!, size]]));
  }
  throw new InputError(
    `${path === '' ? 'the network' : path} is a ${module.constructor.name}, which cannot be exported; expected ` +
      'ResNet, MobileNetV2, or layers one after the other of convolutions, norms, ReLU, pooling and linear layers',
  );
}

function childOf(module: nn.Module, name: string): nn.Module {
  for (const [childName, child] of module.children()) if (childName === name) return child;
  throw new RangeError(`${module.constructor.name} has no ${name}`);
}

function staticConv(emission: Emission, path: string, { geometry }: nn.Conv, input: Value): Value {
  const { graph } = emission;
  const [kernel, bias] = [weight(emission, `${path}.weight`)!, weight(emission, `${path}.bias`)];
  return graph.within(path, () => convolution(graph, input, kernel, bias, geometry));
}

/** One that follows no convolution. */
function batchNorm(emission: Emission, path: string, norm: nn.BatchNorm, input: Value): Value {
  const { graph } = emission;
  const names = ['weight', 'bias', 'running_mean', 'running_var'];
  const parts = names.map((name) => weight(emission, `${path}.${name}`));
  if (parts.includes(null))
    throw new InputError(`${path} is a batch norm without ${names[parts.indexOf(null)]!}, which cannot be exported`);
  const output = graph.within(path, () =>
    graph.node('BatchNormalization', [input, ...parts], ['float32', input.shape], {
      attributes: { epsilon: { float: norm.eps } },
    }),
  );
  return activated(graph, norm.activation, output);
}

function maxPool(
  graph: GraphBuilder,
  path: string,
  { window, dilation }: nn.MaxPool1d | nn.MaxPool2d,
  input: Value,
): Value {
  const { kernelSize, stride, padding, ceilMode } = window;
  const [batch, channels, ...size] = input.shape as number[];
  const shape = size.map((length, axis) => {
    const reach = dilation[axis]! * (kernelSize[axis]! - 1);
    const steps = (length + 2 * padding[axis]! - reach - 1) / stride[axis]!;
    return (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
  return graph.within(path, () =>
    graph.node('MaxPool', [input], ['float32', [batch!, channels!, ...shape]], {
      attributes: {
        kernel_shape: kernelSize,
        strides: stride,
        pads: [...padding, ...padding],
        dilations: dilation,
        ceil_mode: ceilMode ? 1 : 0,
      },
    }),
  );
}
