/** `vision.json`: logits of torchvision's networks, with weights given by a formula (see the oracle's docstring). */
import { fromTypedArray, noGrad, scope, type Tensor } from '@padnet/torch';
import { createModel, modelSchema } from 'padnet';
import { largestError, readFixture, type Comparison } from './fixtures.js';

interface VisionCase {
  readonly model: 'resnet10' | 'resnet18' | 'resnet50' | 'mobilenet_v2';
  readonly num_classes: number;
  readonly input_shape: readonly number[];
  readonly parameters: number;
  readonly state_dict: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly logits: readonly (readonly number[])[];
}

const logitsBound = 1e-3;

export function verifyVision(): Comparison[] {
  return readFixture<VisionCase[]>('vision.json').flatMap((oracle) => scope(() => verifyCase(oracle)));
}

function verifyCase(oracle: VisionCase): Comparison[] {
  const name = oracle.model === 'mobilenet_v2' ? 'mobilenetV2' : oracle.model;
  const network = createModel(modelSchema.parse({ name }), {
    inChannels: oracle.input_shape[1]!,
    numClasses: oracle.num_classes,
  });
  network.eval();
  const state = network.stateDict();
  const compare = (quantity: string, error: number, bound: number): Comparison => ({
    file: 'vision.json',
    case: oracle.model,
    dtype: 'float32',
    quantity,
    error,
    bound,
  });
  const ours = Array.from(state, ([key, value]) => `${key} ${value.shape.join()}`);
  const expected = oracle.state_dict.map(([key, shape]) => `${key} ${shape.join()}`);
  const differing =
    ours.filter((entry, index) => entry !== expected[index]).length + Math.abs(ours.length - expected.length);
  const parameters = network.parameters().reduce((sum, { numel }) => sum + numel, 0);
  fill(state);
  const size = oracle.input_shape.reduce((product, value) => product * value, 1);
  const input = fromTypedArray(
    Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * (i + 1))),
    oracle.input_shape,
  );
  const logits = noGrad(() => network.forward(input));
  const wanted = { shape: [oracle.logits.length, oracle.num_classes], data: oracle.logits.flat() };
  return [
    compare('state dict names and shapes', differing, 0),
    compare('parameters', Math.abs(parameters - oracle.parameters), 0),
    compare('logits', largestError(logits, wanted), logitsBound),
  ];
}

function fill(state: ReadonlyMap<string, Tensor>): void {
  let j = 0;
  for (const [key, target] of state) {
    if (key.endsWith('num_batches_tracked')) continue;
    const { shape, numel } = target;
    const fanIn = numel / shape[0]!;
    const value = (s: number): number => {
      if (key.endsWith('running_var')) return 1 + 0.5 * s * s;
      if (key.endsWith('running_mean') || key.endsWith('bias')) return 0.1 * s;
      return shape.length === 1 ? 1 + 0.2 * s : Math.sqrt(2 / fanIn) * Math.SQRT2 * s;
    };
    const data = Float32Array.from({ length: numel }, (_, i) => value(Math.sin(0.61803398875 * (i + 1) + 0.31 * j)));
    noGrad(() => target.copy_(fromTypedArray(data, shape)));
    j++;
  }
}
