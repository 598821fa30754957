/**
 * What a mixture of experts costs: forward and backward of a dense linear layer, of an MoE layer and of partial ones, in one
 * process, in turns (A B C A B C …).
 */
import {
  backward,
  getNumThreads,
  manualSeed,
  nn,
  noGrad,
  ones,
  rand,
  randn,
  scope,
  setNumThreads,
  type Tensor,
} from '@padnet/torch';
import { Bank, NoisyTopK } from '../dynamic/index.js';
import { MoELinear, Routing } from '../layers/index.js';
import { Mask, PartialSource, type ParameterSource } from '../partial/index.js';
import { median } from '../statistics.js';
import { measuredPass, type MeasuredPass } from './measuredPass.js';
import { layerWork, roofline, type MachinePeaks, type Roofline } from './roofline.js';
import { machinePeaks } from './speed.js';
import { interleaved, spread } from './repeats.js';

/** `pad` has a mask by entry; `pad-neuron` one of all weights of some neurons of the block's inner, larger side. */
export type MoEKind = 'dense' | 'moe' | 'pad' | 'pad-neuron';

export interface MoEBenchOptions {
  readonly tokens: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly numExperts: number;
  readonly k: number;
  /** κ of `pad` and `pad-neuron`. */
  readonly ratio: number;
  readonly layers: readonly MoEKind[];
  /** Timed steps of each layer. */
  readonly repeats: number;
  readonly threads: number;
}

export interface MoECost extends Roofline {
  readonly layer: MoEKind;
  /** Median of a forward and backward pass. */
  readonly stepSeconds: number;
  /** Over that of `dense`, median of the rounds; null without it. */
  readonly ratioToDense: number | null;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
  /** The most that tensors held in a step: the layer's parameters, their gradients, input, output and what lies between. */
  readonly peakMemoryBytes: number;
  /** Stored numbers, with router and biases. */
  readonly parameters: number;
}

export interface MoECosts {
  readonly results: readonly MoECost[];
  /** Of the machine, just before. */
  readonly peaks: MachinePeaks;
}

/** Untimed rounds: memory is allocated, code is compiled. */
const warmUpRounds = 3;

/**
 * Inputs are N(0, 1), W_g is N(0, 1 / inFeatures) and routers add their noise, so that tokens spread over all experts as after
 * training with the auxiliary loss. Input and parameters take gradients; the gradient of the output is fixed random numbers.
 */
export function benchMoE(options: MoEBenchOptions): MoECosts {
  const { tokens, inFeatures, outFeatures, layers, repeats, threads } = options;
  const threadsBefore = getNumThreads();
  setNumThreads(threads);
  try {
    return scope(() => {
      manualSeed(0);
      const peaks = machinePeaks();
      const input = randn([tokens, inFeatures], { requiresGrad: true });
      const outputGradient = randn([tokens, outFeatures]);
      const shared = input.byteLength + outputGradient.byteLength;
      const rows = layers.map((layer) => measuredRow(options, layer, input, outputGradient));
      const tasks = Object.fromEntries(rows.map(({ layer, measured }) => [layer, measured.seconds]));
      interleaved(tasks, warmUpRounds);
      const seconds = interleaved(tasks, repeats);
      const { dense = null } = seconds;
      const results = rows.map(({ layer, measured, parameters, macs }) => {
        const mine = seconds[layer]!;
        const size = { macs, input: input.numel, output: outputGradient.numel, parameters };
        return {
          layer,
          stepSeconds: median(mine),
          ratioToDense: dense && median(mine.map((value, round) => value / dense[round]!)),
          spread: spread(mine),
          peakMemoryBytes: shared + measured.peakBytes(),
          parameters,
          ...roofline(layerWork(size, 'forwardBackward'), peaks, median(mine)),
        };
      });
      return { results, peaks };
    });
  } finally {
    setNumThreads(threadsBefore);
  }
}

interface MeasuredRow {
  readonly layer: MoEKind;
  readonly parameters: number;
  /** At least: what is static is computed once a token, what is dynamic k times. */
  readonly macs: number;
  readonly measured: MeasuredPass;
}

function measuredRow(options: MoEBenchOptions, kind: MoEKind, input: Tensor, outputGradient: Tensor): MeasuredRow {
  const { tokens, inFeatures, outFeatures, k } = options;
  const entries = inFeatures * outFeatures;
  let parameters = 0;
  let ratio = 0;
  const measured = measuredPass(() => {
    const layer = kind === 'dense' ? new nn.Linear({ inFeatures, outFeatures }) : createMixture(options, kind);
    parameters = layer.parameters().reduce((sum, { numel }) => sum + numel, 0);
    if (layer instanceof MoELinear) ratio = layer.source.dynamicRatio;
    return layer instanceof MoELinear
      ? mixtureStep(layer, input, outputGradient)
      : denseStep(layer, input, outputGradient);
  });
  return { layer: kind, parameters, macs: tokens * entries * (1 - ratio + k * ratio), measured };
}

function denseStep(layer: nn.Linear, input: Tensor, outputGradient: Tensor): () => void {
  return () => {
    backward(layer.forward(input), { gradients: [outputGradient] });
    layer.zeroGrad();
    input.grad = null;
  };
}

function mixtureStep(layer: MoELinear, input: Tensor, outputGradient: Tensor): () => void {
  const one = ones([]);
  return () => {
    const routing = new Routing();
    const output = layer.forward(input, routing);
    backward([output, routing.auxiliaryLoss()!], { gradients: [outputGradient, one] });
    layer.zeroGrad();
    input.grad = null;
  };
}

function createMixture(options: MoEBenchOptions, kind: Exclude<MoEKind, 'dense'>): MoELinear {
  const { inFeatures, outFeatures, numExperts, k } = options;
  const router = new NoisyTopK({ inFeatures, numExperts, k });
  noGrad(() => router.wGate.copy_(randn([inFeatures, numExperts]).div(Math.sqrt(inFeatures))));
  const biasBank = randn([numExperts, outFeatures]);
  return new MoELinear({ router, source: createSource(options, kind), biasBank }).train();
}

function createSource(options: MoEBenchOptions, kind: Exclude<MoEKind, 'dense'>): ParameterSource {
  const { inFeatures, outFeatures, numExperts, ratio } = options;
  const shape = [outFeatures, inFeatures];
  return scope(() => {
    const bank = randn([numExperts, ...shape]);
    if (kind === 'moe') return new Bank(bank);
    const neurons = outFeatures >= inFeatures ? [outFeatures, 1] : [1, inFeatures];
    const mask = Mask.fromTensor(
      rand(kind === 'pad' ? shape : neurons)
        .lt(ratio)
        .expand(shape),
    );
    return new PartialSource({ bank, staticWeight: randn(shape), mask });
  });
}
