/**
 * The cost of a mixture of experts beside a dense linear layer. Inputs are N(0, 1), W_g is N(0, 1 / inFeatures) and
 * routers add their noise, so that tokens spread over all experts as after training with the auxiliary loss.
 */
import { manualSeed, nn, noGrad, randn } from '@padnet/torch';
import { randomMask, randomSource } from '../../packages/padnet/dist/analysis/calibration.js';
import { fraction, listOf } from '../../packages/padnet/dist/cli/options.js';
import { NoisyTopK } from '../../packages/padnet/dist/dynamic/index.js';
import { MoELinear } from '../../packages/padnet/dist/layers/index.js';
import { count, measurement, option } from './command.js';
import { measureLayers, passRows } from './layers.js';
import { machinePeaks, roofNote } from './roofline.js';

/** `pad` has a mask by entry; `pad-neuron` one of all weights of some neurons of the block's inner, larger side. */
const kinds = ['dense', 'moe', 'pad', 'pad-neuron'] as const;

export const addMoE = measurement(
  'moe',
  'Measure a dense linear layer, a mixture of experts and partial ones (by entry, by neuron), in turns.',
  {
    tokens: count('--tokens', 'tokens in a batch', 1024),
    in: count('--in', 'input features', 768),
    out: count('--out', 'output features', 3072),
    experts: count('--experts', 'experts', 8),
    k: count('--k', 'experts computed for each token', 2),
    layer: option('--layer <names>', kinds.join(', '), listOf(kinds), [...kinds]),
    ratio: option('--ratio <number>', 'dynamic ratio of pad and pad-neuron', fraction, 0.5),
    repeats: count('--repeats', 'rounds', 21),
  },
  async ({ tokens, in: inFeatures, out: outFeatures, experts: numExperts, k, layer: layers, ratio, repeats }) => {
    manualSeed(0);
    const shape = [outFeatures, inFeatures];
    const neurons = outFeatures >= inFeatures ? [outFeatures, 1] : [1, inFeatures];
    const create = (kind: (typeof kinds)[number]): nn.Layer => {
      if (kind === 'dense') return new nn.Linear({ inFeatures, outFeatures });
      const router = new NoisyTopK({ inFeatures, numExperts, k });
      noGrad(() => router.wGate.copy_(randn([inFeatures, numExperts]).div(Math.sqrt(inFeatures))));
      const mask = kind === 'moe' ? null : randomMask(shape, ratio, kind === 'pad' ? shape : neurons);
      const source = randomSource(shape, numExperts, mask);
      return new MoELinear({ router, source, biasBank: randn([numExperts, outFeatures]) });
    };
    // What is static is computed once a token, what is dynamic k times.
    const sizeOf = (layer: nn.Layer) => {
      const dynamic = layer instanceof MoELinear ? layer.source.dynamicRatio : 0;
      const parameters = layer.parameters().reduce((sum, { numel }) => sum + numel, 0);
      return { parameters, macs: tokens * inFeatures * outFeatures * (1 - dynamic + k * dynamic) };
    };
    const input = randn([tokens, inFeatures], { requiresGrad: true });
    const costs = await measureLayers(
      layers.map((layer) => ({ layer, create: () => create(layer), sizeOf })),
      [input, randn([tokens, outFeatures])],
      'ratioToDense',
      repeats,
    );
    const results = costs.map(({ forwardBackward: { seconds: stepSeconds, ...step }, ...cost }) => ({
      ...cost,
      stepSeconds,
      ...step,
    }));
    const computed = 'of each token its static entries once and its dynamic ones k times';
    return {
      settings: { tokens, inFeatures, outFeatures, numExperts, k, ratio, repeats },
      found: { results, peaks: machinePeaks() },
      rows: costs.flatMap(passRows),
      note: roofNote(computed, 'weights and tokens'),
    };
  },
);
