/** The memory that a recipe needs at least, checked before it is asked for. */
import { assertMemory } from '../../memory.js';
import type { ImageDataset } from '../../data/index.js';
import { assertNetworkFits, publishedWidth, type TextConfig } from '../../models/index.js';
import type { PictureRecipe, TextRecipe } from '../../recipe/recipe.js';

const bytesPerNumber = 4;

/** @throws InputError naming the key that asks for too much */
export function assertFits({ model, data, training, partition }: PictureRecipe, train: ImageDataset): void {
  const { channels, height, width, length, numClasses } = train;
  const optimizerState = training.optimizer === 'adamw' ? 2 : 1;
  const copies = 2 + optimizerState + (training.ema === undefined ? 0 : 1);
  assertNetworkFits(model, { inChannels: channels, numClasses }, copies);

  // A lower bound of what a training step keeps: the pictures and the output of the first convolution.
  const channelsOut = (model.width ?? publishedWidth(model.name)) * (model.name === 'mobilenetV2' ? 32 : 1);
  const perPixel = channels + channelsOut / (model.stem === 'small' ? 1 : 4);
  const samples = Math.min(data.batchSize, length);
  const picture = `${channels}×${height}×${width}`;
  const isLarge = train.kind === 'folder' && height > 224;
  assertMemory(
    bytesPerNumber * samples * height * width * perPixel,
    `data.${isLarge ? 'size' : 'batchSize'}: ${samples} pictures of ${picture} at once take at least`,
    isLarge ? 'choose a smaller one, or fewer pictures at once' : 'choose a smaller one',
  );
  if (!partition) return;
  const kept = Math.min(partition.batches * data.batchSize, length);
  assertMemory(
    bytesPerNumber * kept * channels * height * width,
    `partition.batches: the ${kept} pictures of ${picture} by which the partition is found take`,
    'choose fewer',
  );
}

/** @throws InputError where the experts of a recipe for texts cannot fit */
export function assertExpertsFit({ model, training }: TextRecipe, config: TextConfig): void {
  if (model.layer === 'static') return;
  const { numExperts, layers, position } = model;
  const { family, hiddenSize, intermediateSize } = config;
  // ALBERT's layers share their weights within a group.
  const numBlocks = family === 'albert' ? config.numHiddenGroups : config.numHiddenLayers;
  const linears = (layers?.length ?? numBlocks) * (position === 'both' ? 2 : 1);
  const numbers = linears * numExperts * hiddenSize * intermediateSize;
  // AdamW holds two numbers beside each weight and its gradient.
  const copies = training.ema === undefined ? 4 : 5;
  assertMemory(
    bytesPerNumber * copies * numbers,
    `model.numExperts: ${numExperts} experts in each of ${linears} layers have about ${numbers.toPrecision(2)} ` +
      'numbers, which take with their gradients and the state of the optimizer',
    'choose fewer',
  );
}
