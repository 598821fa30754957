/**
 * The cost by batch of the rounds of Iterative Mode Partition, beside ordinary training steps of the partial network
 * that they lead to: `iterativeModePartition` as training runs it between two epochs, and steps, in one process, in
 * turns. Pictures are random. unmaskedStep: a step before, with every entry dynamic; scoring: the scores of a batch;
 * choosing: the masks of a round; batch: scores and its share of the masks.
 */
import { manualSeed, nn, ops, type Tensor } from '@padnet/torch';
import { fraction, oneOf } from '../../packages/padnet/dist/cli/options.js';
import * as imp from '../../packages/padnet/dist/partition/index.js';
import { count, measurement, option, type Values } from './command.js';
import { inTurns, mapValues, measure, Measured, sample, type Sample } from './measure.js';
import { createUnmasked, inputShape, networkOptions, networkShape, trainingStep } from './networks.js';

const granularities = ['entry', 'kernel', 'filter'] as const;

const options = {
  ...networkOptions(16),
  ratio: option('--ratio <number>', 'dynamic ratio', fraction, 0.3),
  rounds: count('--rounds', 'rounds of the partition', 3),
  granularity: option('--granularity <name>', granularities.join(', '), oneOf(granularities), 'entry'),
  batches: count('--batches', 'batches of the partition set, over which the choice is spread', 10),
  steps: count('--steps', 'timed batches of each round, and timed steps', 2),
  repeats: count('--repeats', 'repeats, in turns', 3),
};

/** The most that a batch of a round is to take of a step. */
const targetRatio = 1.3;

export const addImp = measurement(
  'imp',
  'Measure the rounds of Iterative Mode Partition relative to a training step of the partial network, in turns.',
  options,
  async (values) => {
    const { ratio, rounds, granularity, batches, steps, repeats } = values;
    const shape = networkShape(values);
    manualSeed(0);
    const images = ops.randn(inputShape(shape));
    const labels = ops.randint(shape.numClasses, [shape.batch], { dtype: 'int64' });
    const [searched, partial] = [createUnmasked(shape, 'partial'), createUnmasked(shape, 'partial')];
    const unmaskedStep = trainingStep(searched, images, labels);
    sample(unmaskedStep); // its batch norms know the pictures from here on
    const loss = new nn.CrossEntropyLoss();
    const batchLosses = Array.from({ length: steps }, () => () => loss.forward(searched.forward(images), labels));
    imp.applyPartition(partial, (await search(searched, batchLosses.slice(0, 1), values)).partition);
    const step = trainingStep(partial, images, labels);
    sample(step);
    const several = (body: () => void) => () => Array.from({ length: steps }, () => sample(body));
    const choosing = new Measured();
    const turns = {
      step: several(step),
      unmaskedStep: several(unmaskedStep),
      scoring: async () => {
        const { samples } = await search(searched, batchLosses, values);
        choosing.rounds.push(samples.filter((_, index) => index % 2 === 1));
        return samples.filter((_, index) => index % 2 === 0).map((scores) => share(scores, steps));
      },
    };
    const measured = await inTurns(turns, repeats);
    const batch = measured.scoring.rounds.map((scores, repeat) =>
      scores.map((score, round) => sum(score, share(choosing.rounds[repeat]![round]!, batches))),
    );
    const costs = mapValues({ ...measured, choosing, batch: new Measured(batch) }, (part) => ({
      ...part.cost,
      ratioToStep: part.ratioTo(measured.step),
      workingMemoryBytes: part.mostBytes,
    }));
    return {
      settings: { ...shape, ratio, rounds, granularity, batches, steps, repeats },
      found: { ...costs, targetRatio },
      rows: Object.entries(costs).map(([part, cost]) => ({ part, ...cost })),
    };
  },
);

/**
 * Searches masks with the score of the paper, and tells its time from the rest.
 *
 * @returns beside them a sample a round of its scores (all batches together) and one of the choice, in turns
 */
async function search(
  network: nn.Layer,
  batchLosses: readonly (() => Tensor)[],
  { ratio, rounds, granularity }: Values<typeof options>,
): Promise<{ readonly partition: imp.Partition; readonly samples: readonly Sample[] }> {
  const samples: Sample[] = [];
  let end: (() => Sample) | null = null;
  const next = (): void => {
    if (end) samples.push(end());
    end = measure();
  };
  const saliency: imp.Saliency = {
    name: imp.maskGradient.name,
    async score(context) {
      next();
      const scores = await imp.maskGradient.score(context);
      next();
      return scores;
    },
  };
  const partition = await imp.iterativeModePartition(network, { ratio, rounds, granularity, saliency, batchLosses });
  next();
  return { partition, samples };
}

function share({ seconds, processorSeconds, bytes }: Sample, parts: number): Sample {
  return { seconds: seconds / parts, processorSeconds: processorSeconds / parts, bytes };
}

function sum(a: Sample, b: Sample): Sample {
  const processorSeconds = a.processorSeconds + b.processorSeconds;
  return { seconds: a.seconds + b.seconds, processorSeconds, bytes: Math.max(a.bytes, b.bytes) };
}
