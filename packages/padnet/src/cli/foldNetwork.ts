/** What `padnet convert --layer static` does with a dynamic or partial network: folds it, and measures what that costs. */
import { noGrad, randn, scope, type nn } from '@padnet/torch';
import { medianSeconds } from '../analysis/timing.js';
import type { DataSplit, OnBadPicture } from '../data/index.js';
import { fuseBatchNorms } from '../layers/index.js';
import type { PictureRecipe } from '../recipe/index.js';
import type { PictureModel } from '../runs/index.js';
import { type Evaluation, foldModel } from '../training/index.js';

export interface FoldOptions {
  readonly onBadPicture?: OnBadPicture | undefined;
  /** How the run divided its pictures. */
  readonly split?: DataSplit | undefined;
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

/** @param recipe whose training data say what the network's routers decide on average */
export async function foldNetwork(recipe: PictureRecipe, model: PictureModel, options: FoldOptions): Promise<FoldCost> {
  const { inChannels, size } = model.description;
  const shape = [1, inChannels, ...size];
  const secondsBefore = passSeconds(model.network, shape);
  const { before, after } = await foldModel(recipe, model, options);
  return {
    before: { score: before.score, loss: before.loss, seconds: secondsBefore },
    after: { score: after.score, loss: after.loss, seconds: passSeconds(model.network, shape) },
  };
}

/** Median time of a forward pass as `padnet eval` runs it. */
function passSeconds(network: nn.Layer, shape: readonly number[]): number {
  network.eval();
  const restore = fuseBatchNorms(network);
  try {
    return scope(() => {
      const input = randn(shape);
      return medianSeconds(() => noGrad(() => network.forward(input)), 11, 3);
    });
  } finally {
    restore();
  }
}
