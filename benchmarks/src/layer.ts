/**
 * The cost of one convolution, or of every distinct one of a network: static, dynamic and partial, by every plan.
 * Dynamic layers run with their router.
 */
import { manualSeed, nn, randn, scope } from '@padnet/torch';
import { randomFilterMask, randomMask, randomSource } from '../../packages/padnet/dist/analysis/calibration.js';
import { fraction, listOf, oneOf, wholeNumber } from '../../packages/padnet/dist/cli/options.js';
import { convolutionPlans, outputSize, type ConvolutionPlan } from '../../packages/padnet/dist/compute/index.js';
import { KernelAttention } from '../../packages/padnet/dist/dynamic/index.js';
import { DynamicConv2d } from '../../packages/padnet/dist/layers/index.js';
import { modelNames } from '../../packages/padnet/dist/models/index.js';
import { numEntries } from '../../packages/padnet/dist/partial/index.js';
import { count, measurement, option, optional, type Values } from './command.js';
import { measureLayers, passRows, type Candidate, type LayerCost } from './layers.js';
import { networkConvolutions, type NetworkConvolution } from './networks.js';
import { machinePeaks, roofNote } from './roofline.js';

/** `pad` has a mask by entry, `pad-filter` by filter. */
const kinds = ['static', 'dyconv', 'pad', 'pad-filter'] as const;
const formats = ['contiguous', 'channels_last'] as const;
const models = `of this network instead: ${modelNames.join(', ')}`;

const options = {
  model: optional('--model <name>', models, oneOf(modelNames)).conflicts(['in', 'out', 'kernel', 'stride', 'groups']),
  in: count('--in', 'input channels', 128),
  out: count('--out', 'output channels', 128),
  kernel: count('--kernel', 'side of the kernel', 3),
  stride: count('--stride', 'stride', 1),
  groups: count('--groups', 'groups', 1),
  size: optional('--size <pixels>', 'side of the input (28), or of the pictures of --model (224)', wholeNumber(1)),
  batch: count('--batch', 'samples', 16),
  kernels: count('--kernels', 'K, entries of the bank', 4),
  ratio: option('--ratio <number>', 'dynamic ratio of pad and pad-filter', fraction, 0.3),
  layer: option('--layer <names>', kinds.join(', '), listOf(kinds), [...kinds]),
  plan: option('--plan <names>', convolutionPlans.join(', '), listOf(convolutionPlans), [...convolutionPlans]),
  memoryFormat: option('--memory-format <name>', formats.join(' or '), oneOf(formats), 'channels_last'),
  repeats: count('--repeats', 'rounds', 9),
};
type LayerOptions = Values<typeof options>;

export const addLayer = measurement(
  'layer',
  'Measure one convolution, or with --model all of a network: static, dynamic and partial, by every plan, in turns.',
  options,
  async (values) => {
    const { model = null, batch, kernels: numKernels, ratio, memoryFormat, repeats } = values;
    const peaks = machinePeaks();
    const convolutions: (NetworkConvolution & { results: readonly LayerCost[]; peaks: typeof peaks })[] = [];
    for (const convolution of chooseConvolutions(values))
      convolutions.push({ ...convolution, results: await measureConvolution(convolution, values), peaks });
    const rows = convolutions.flatMap(({ results, ...convolution }) => {
      const layers = convolution.count;
      return results.flatMap(passRows).map((row) => ({ convolution: describe(convolution), ...row, layers }));
    });
    return {
      settings: { model, batch, numKernels, ratio, memoryFormat, repeats },
      found: { convolutions },
      rows,
      note: roofNote("the static convolution's arithmetic", 'weights and maps'),
    };
  },
);

function chooseConvolutions(options: LayerOptions): NetworkConvolution[] {
  const { model, in: inChannels, out: outChannels, kernel: kernelSize, stride, groups, size, batch } = options;
  if (model) {
    const published = { stem: 'imagenet', width: null, inChannels: 3, numClasses: 1000 } as const;
    return networkConvolutions({ ...published, model, size: size ?? 224, batch });
  }
  const padding = Math.floor((kernelSize - 1) / 2);
  const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, groups });
  return [{ geometry, size: size ?? 28, count: 1 }];
}

/** Random input and gradient of the output, fresh weights, random masks. */
function measureConvolution(
  { geometry, size }: NetworkConvolution,
  { batch, kernels: numKernels, ratio, layer: layers, plan: plans, memoryFormat, repeats }: LayerOptions,
): Promise<LayerCost[]> {
  manualSeed(0);
  const { inChannels, outChannels } = geometry;
  const inputShape = [batch, inChannels, size, size];
  const positions = outputSize(geometry, inputShape);
  const input = randn(inputShape).contiguous({ memoryFormat });
  input.requiresGrad = true;
  const outputGradient = randn([batch, outChannels, ...positions]).contiguous({ memoryFormat });
  const shape = nn.convWeightShape(geometry);
  const sizeOf = (layer: nn.Layer) => {
    const weights = layer instanceof DynamicConv2d ? layer.source : layer; // without the router
    const parameters = weights.parameters().reduce((sum, { numel }) => sum + numel, 0);
    return { parameters, macs: batch * numEntries(positions) * numEntries(shape) };
  };
  const candidates = layers.flatMap((layer): Candidate[] => {
    if (layer === 'static')
      return [{ layer, plan: null, create: () => new nn.Conv2d({ ...geometry, bias: false }), sizeOf }];
    // One mask for all plans that the layer has.
    const createMask = layer === 'pad-filter' ? randomFilterMask : randomMask;
    const mask = layer === 'dyconv' ? null : createMask(shape, ratio);
    const create = (plan: ConvolutionPlan | null): DynamicConv2d => {
      const router = new KernelAttention({ inChannels, numKernels });
      const convolution = new DynamicConv2d({ geometry, router, source: randomSource(shape, numKernels, mask) });
      convolution.plan = plan;
      return convolution;
    };
    const { costs } = scope(() => create(null).planCosts(input));
    const had = plans.filter((plan) => costs.some((cost) => cost.plan === plan));
    return had.map((plan) => ({ layer, plan, create: () => create(plan), sizeOf }));
  });
  return measureLayers(candidates, [input, outputGradient], 'ratioToStatic', repeats);
}

/** `128 → 128, 3×3, stride 2, 28²` */
function describe({ geometry, size }: NetworkConvolution): string {
  const { inChannels, outChannels, kernelSize, stride, groups } = geometry;
  const parts = [`${inChannels} → ${outChannels}`, kernelSize.join('×')];
  if (stride[0] > 1) parts.push(`stride ${stride[0]}`);
  if (groups > 1) parts.push(groups === inChannels ? 'depth-wise' : `${groups} groups`);
  return [...parts, `${size}²`].join(', ');
}
