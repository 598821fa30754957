/** `padnet convert` of networks for pictures; dynamic or partial ones become static, and what that costs. */
import { join } from 'node:path';
import { noGrad, randn, scope } from '@padnet/torch';
import { medianSeconds } from '../analysis/timing.js';
import { fuseBatchNorms } from '../layers/index.js';
import { convertModel, modelSchema } from '../models/index.js';
import { meanIntoStatic, measuresMean } from '../partition/index.js';
import { DEFAULT_PARTITION_BATCHES, parseSection } from '../recipe/index.js';
import { type PictureModel, readRun, RunFolder, savePictureModel, splitOfRun } from '../runs/index.js';
import { type Evaluation, modelToStatic, type PartitionLosses, savedTask } from '../training/index.js';
import { InputError } from '../errors.js';
import { isThere } from '../readRegularFile.js';
import {
  type Converter,
  type ConvertSource,
  explained,
  type MeasuredNetwork,
  type ToStaticCost,
  optionNames,
  partitionByMagnitude,
} from './converter.js';
import type { ConvertOptions } from './convertOptions.js';
import { readDataRecipe, recipeFor } from './runRecipe.js';

const ofTexts = 'texts';

export const pictureConverter: Converter<PictureModel> = {
  refused: { experts: ofTexts, k: ofTexts, position: ofTexts, layers: ofTexts },
  measuresRouters: true,
  writesStatic: ({ model }) => model !== undefined,
  staticObstacle: () => null,
  write: writePictures,
  probe: ({ network, description: { inChannels, size } }) => ({
    inputs: '4 random pictures',
    logits: () => network.forward(randn([4, inChannels, ...size])),
  }),
};

/** @returns what the way to a static network costs; null where it was static */
async function writePictures(
  path: string,
  source: ConvertSource<PictureModel>,
  out: string,
  options: ConvertOptions,
): Promise<ToStaticCost | null> {
  const { network, description } = source;
  const { layer, convolution = 'dyconv', kernels: numKernels = 4, routerWidth = 'published', noise = 0 } = options;
  const isStatic = description.model.layer === 'static';
  if (isStatic && layer === 'static') {
    savePictureModel(join(out, 'model.json'), network, description);
    return null;
  }
  if (layer === 'static') {
    const { recipe, division } = dataOf(path, options);
    const { allowCode, onRemark, signal } = options;
    const seconds = passSeconds(source);
    const { before, after } = await modelToStatic(recipe, source, { allowCode, onRemark, signal, ...division });
    savePictureModel(join(out, 'model.json'), network, description);
    return { before: measured(before, seconds), after: measured(after, passSeconds(source)) };
  }
  const copies = isStatic ? { convolution, numKernels, routerWidth } : {};
  const model = parseSection(
    modelSchema,
    { ...description.model, ...copies, layer, noise, bankInitialisation: 'copies' },
    optionNames,
  );
  explained(path, () => convertModel(network, model, options));
  using data = !isStatic && measuresMean(network) ? await batchesOf(path, source, options) : null;
  if (data) meanIntoStatic(network, data.batchLosses);
  const { inChannels, size } = description;
  // Copies have routers that decide alike for every input.
  const passes = data?.batchLosses ?? [() => network.forward(randn([1, inChannels, ...size]))];
  await partitionByMagnitude(network, out, options, passes);
  savePictureModel(join(out, 'model.json'), network, { ...description, model });
  return null;
}

/** Data to measure on what routers decide on average. */
function dataOf(path: string, { recipe: file, onText }: ConvertOptions) {
  const folder = new RunFolder(path);
  if (file === undefined && !isThere(folder.recipe)) {
    throw new InputError(
      `${path} has no data of its own, on which to measure what its routers decide on average; give a recipe whose ` +
        'data are like those it was trained on with --recipe <file>',
    );
  }
  const given = file === undefined ? readRun(path).recipe : readDataRecipe(file, []);
  const recipe = recipeFor('image', given, path);
  return { recipe, division: file === undefined ? splitOfRun(folder, onText) : {} };
}

async function batchesOf(
  path: string,
  source: ConvertSource<PictureModel>,
  options: ConvertOptions,
): Promise<PartitionLosses> {
  const { recipe, division } = dataOf(path, options);
  const task = await savedTask(recipe, source, division);
  return await task.partitionLosses({ batches: DEFAULT_PARTITION_BATCHES, seed: recipe.training.seed, epoch: 0 });
}

function measured({ score, loss }: Evaluation, seconds: number): MeasuredNetwork {
  return { score, loss, seconds };
}

/** Median time of a forward pass as `padnet eval` runs it. */
function passSeconds({ network, description: { inChannels, size } }: ConvertSource<PictureModel>): number {
  network.eval();
  const restore = fuseBatchNorms(network);
  try {
    return scope(() => {
      const input = randn([1, inChannels, ...size]);
      return medianSeconds(() => noGrad(() => network.forward(input)), 11, 3);
    });
  } finally {
    restore();
  }
}
