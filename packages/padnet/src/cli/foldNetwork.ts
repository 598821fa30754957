/** What `padnet convert --layer static` does with a dynamic or partial network: folds it, and measures what that costs. */
import { noGrad, randn, type nn } from '@padnet/torch';
import { measuredPass } from '../bench/measuredPass.js';
import type { OnBadPicture } from '../data/index.js';
import { InputError } from '../errors.js';
import { foldBatchNorms } from '../layers/index.js';
import { median } from '../statistics.js';
import { foldModel, readRun, type Evaluation, type PictureModel } from '../training/index.js';

export interface FoldOptions {
  readonly onBadPicture?: OnBadPicture | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface MeasuredNetwork extends Pick<Evaluation, 'score' | 'loss'> {
  /** Median time of a forward pass of one picture, seconds. */
  readonly seconds: number;
}

export interface FoldCost {
  readonly before: MeasuredNetwork;
  readonly after: MeasuredNetwork;
}

/** @param path the run of `model`, whose training data say what its routers decide on average */
export async function foldNetwork(path: string, model: PictureModel, options: FoldOptions): Promise<FoldCost> {
  const { recipe } = readRun(path);
  if (recipe.modality !== 'image') throw new InputError(`${path}: its recipe is for texts, its network for pictures`);
  const { inChannels, size } = model.description;
  const shape = [1, inChannels, ...size];
  const secondsBefore = medianSeconds(model.network, shape);
  const { before, after } = await foldModel(recipe, model, options);
  return {
    before: { score: before.score, loss: before.loss, seconds: secondsBefore },
    after: { score: after.score, loss: after.loss, seconds: medianSeconds(model.network, shape) },
  };
}

const warmUpPasses = 3;
const timedPasses = 11;

/** As `padnet eval` and `padnet bench inference` run it. */
function medianSeconds(network: nn.Layer, shape: readonly number[]): number {
  network.eval();
  const restore = foldBatchNorms(network);
  try {
    const { seconds } = measuredPass(() => {
      const input = randn(shape);
      return () => noGrad(() => network.forward(input));
    });
    const passes = Array.from({ length: warmUpPasses + timedPasses }, seconds);
    return median(passes.slice(warmUpPasses));
  } finally {
    restore();
  }
}
