/** Mean and variance of each channel over the samples of all ranks, as synchronised batch norm takes them. */
import { customFunction, noGrad } from '../autograd.js';
import { empty, full } from '../creation.js';
import { cat } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import type { ProcessGroup } from './processGroup.js';
import { sumOverRanks } from './sharedBatch.js';

export interface MomentsOverRanks {
  /** [channels] */
  readonly mean: Tensor;
  /** The biased one: [channels] */
  readonly variance: Tensor;
  /** float64 [channels], without a gradient; infinite or NaN of a single sample */
  readonly unbiasedVariance: Tensor;
}

/**
 * One collective operation forward and one backward. Ranks may have different numbers of samples, also none; deviations
 * are taken from means, so that nothing cancels.
 *
 * @param input [batch, channels, height, width]: this rank's part
 */
export function momentsOverRanks(group: ProcessGroup, input: Tensor): MomentsOverRanks {
  const dims = [0, 2, 3];
  const channels = input.shape[1]!;
  const perChannel = (values: Tensor): Tensor => values.reshape([1, channels, 1, 1]);
  const gathered = noGrad(() => {
    const count = input.numel / channels;
    const sum = input.sum(dims);
    const mean = sum.div(Math.max(1, count));
    const squares = input.sub(perChannel(mean)).square_().sum(dims);
    const own = cat([full([1], count, { dtype: 'float64', device: input.device }), mean, squares].map(toFloat64));
    const all = empty([group.size, 1 + 2 * channels], { dtype: 'float64', device: input.device });
    group.allGather(all, own).wait();
    return all;
  });
  const counts = gathered.narrow(1, 0, 1);
  const means = gathered.narrow(1, 1, channels);
  const total = counts.sum().item();
  const mean = means.mul(counts).sum([0]).div(total);
  // Chan, Golub and LeVeque 1983
  const squares = gathered
    .narrow(1, 1 + channels, channels)
    .add(means.sub(mean).square().mul(counts))
    .sum([0]);
  const [ofAll, variance] = customFunction<[Tensor]>({
    name: 'MomentsOverRanks',
    forward(context, given) {
      const outputs = [mean.to(input.dtype), squares.div(total).to(input.dtype)];
      context.save(given, outputs[0]!);
      return outputs;
    },
    backward([ofMean, ofVariance], [given, center]) {
      const [meanGradient, varianceGradient] = sumOverRanks(group, cat([ofMean!, ofVariance!]))
        .div(total)
        .chunk(2);
      const deviations = given!.sub(perChannel(center!));
      return [deviations.mul(perChannel(varianceGradient!).mul(2)).add(perChannel(meanGradient!))];
    },
  })(input);
  return { mean: ofAll!, variance: variance!, unbiasedVariance: squares.div(total - 1) };
}

function toFloat64(values: Tensor): Tensor {
  return values.to('float64');
}
