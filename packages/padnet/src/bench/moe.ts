/**
 * What a mixture of experts costs: forward and backward of a dense linear layer, of an MoE layer and of a partial one, in one
 * process, in turns (A B C A B C …).
 */
import {
  backward,
  getNumThreads,
  manualSeed,
  memoryUsage,
  nn,
  noGrad,
  ones,
  rand,
  randn,
  scope,
  setNumThreads,
  type Tensor,
} from '@padnet/torch';
import { Bank, NoisyTopK, type ParameterSource } from '../dynamic/index.js';
import { MoELinear, Routing } from '../layers/index.js';
import { Mask, PartialSource } from '../partial/index.js';
import { interleaved, median, spread } from './statistics.js';

/** Which entries of `pad` are dynamic: any, or all weights of some neurons of the block's inner, larger side. */
export type MoEGranularity = 'entry' | 'neuron';

export interface MoEBenchOptions {
  readonly tokens: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly numExperts: number;
  readonly k: number;
  /** κ of `pad`. */
  readonly ratio: number;
  readonly granularity: MoEGranularity;
  /** Timed steps of each layer. */
  readonly repeats: number;
  readonly threads: number;
}

export interface MoECost {
  readonly layer: 'dense' | 'moe' | 'pad';
  /** Median of a forward and backward pass. */
  readonly stepSeconds: number;
  /** Over that of `dense`, median of the rounds. */
  readonly ratioToDense: number;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
  /** The most that tensors held in a step: the layer's parameters, their gradients, input, output and what lies between. */
  readonly peakMemoryBytes: number;
}

/** Untimed rounds: memory is allocated, code is compiled. */
const warmUpRounds = 3;

/**
 * Inputs are N(0, 1), W_g is N(0, 1 / inFeatures) and routers add their noise, so that tokens spread over all experts as after
 * training with the auxiliary loss. Input and parameters take gradients; the gradient of the output is fixed random numbers.
 */
export function benchMoE(options: MoEBenchOptions): MoECost[] {
  const { tokens, inFeatures, outFeatures, repeats, threads } = options;
  const threadsBefore = getNumThreads();
  setNumThreads(threads);
  try {
    return scope(() => {
      manualSeed(0);
      const input = randn([tokens, inFeatures], { requiresGrad: true });
      const outputGradient = randn([tokens, outFeatures]);
      const shared = input.byteLength + outputGradient.byteLength;
      const steps = {
        dense: measured(() => denseStep(options, input, outputGradient)),
        moe: measured(() => mixtureStep(options, 'moe', input, outputGradient)),
        pad: measured(() => mixtureStep(options, 'pad', input, outputGradient)),
      };
      const tasks = { dense: steps.dense.seconds, moe: steps.moe.seconds, pad: steps.pad.seconds };
      interleaved(tasks, warmUpRounds);
      const seconds = interleaved(tasks, repeats);
      return (['dense', 'moe', 'pad'] as const).map((layer) => ({
        layer,
        stepSeconds: median(seconds[layer]),
        ratioToDense: median(seconds[layer].map((value, round) => value / seconds.dense[round]!)),
        spread: spread(seconds[layer]),
        peakMemoryBytes: shared + steps[layer].peakBytes(),
      }));
    });
  } finally {
    setNumThreads(threadsBefore);
  }
}

/** Times the step that `make` returns, and watches what it holds beside what was there before `make`. */
function measured(make: () => () => void): { seconds: () => number; peakBytes: () => number } {
  const before = memoryUsage().allocated;
  const step = make();
  const held = memoryUsage().allocated - before;
  let peak = 0;
  const seconds = (): number => {
    const { allocated } = memoryUsage({ resetPeak: true });
    const start = performance.now();
    scope(step);
    const taken = (performance.now() - start) / 1000;
    peak = Math.max(peak, memoryUsage().peak - allocated);
    return taken;
  };
  return { seconds, peakBytes: () => held + peak };
}

function denseStep({ inFeatures, outFeatures }: MoEBenchOptions, input: Tensor, outputGradient: Tensor): () => void {
  const layer = new nn.Linear({ inFeatures, outFeatures });
  return () => {
    backward(layer.forward(input), { gradients: [outputGradient] });
    layer.zeroGrad();
    input.grad = null;
  };
}

function mixtureStep(options: MoEBenchOptions, kind: 'moe' | 'pad', input: Tensor, outputGradient: Tensor): () => void {
  const { inFeatures, outFeatures, numExperts, k } = options;
  const router = new NoisyTopK({ inFeatures, numExperts, k });
  noGrad(() => router.wGate.copy_(randn([inFeatures, numExperts]).div(Math.sqrt(inFeatures))));
  const layer = new MoELinear({
    router,
    source: kind === 'moe' ? bankOf(options) : partialOf(options),
    biasBank: randn([numExperts, outFeatures]),
  }).train();
  const one = ones([]);
  return () => {
    const routing = new Routing();
    const output = layer.forward(input, routing);
    backward([output, routing.auxiliaryLoss()!], { gradients: [outputGradient, one] });
    layer.zeroGrad();
    input.grad = null;
  };
}

function bankOf({ inFeatures, outFeatures, numExperts }: MoEBenchOptions): ParameterSource {
  return new Bank(randn([numExperts, outFeatures, inFeatures]));
}

function partialOf(options: MoEBenchOptions): ParameterSource {
  const { inFeatures, outFeatures, numExperts, ratio, granularity } = options;
  const shape = [outFeatures, inFeatures];
  const units = granularity === 'entry' ? shape : outFeatures >= inFeatures ? [outFeatures, 1] : [1, inFeatures];
  return scope(
    () =>
      new PartialSource({
        bank: randn([numExperts, ...shape]),
        staticWeight: randn(shape),
        mask: Mask.fromTensor(rand(units).lt(ratio).expand(shape)),
      }),
  );
}
