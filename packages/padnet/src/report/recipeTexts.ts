/** A run's recipe in words. */
import { cifarFormats, glueTasks } from '../data/index.js';
import type { RunRecipe } from '../recipe/recipe.js';
import { shortPath } from './shortPaths.js';

export function trainingText(recipe: RunRecipe): string {
  return `${scheduleText(recipe)}, seed ${recipe.training.seed}`;
}

/** The schedule, which is the same for every seed. */
export function scheduleText({ training, data }: RunRecipe): string {
  const optimizer = 'optimizer' in training ? training.optimizer : 'adamw';
  const batch = 'batchSize' in data ? [`batch ${data.batchSize}`] : [];
  return [`${training.epochs} ${training.epochs === 1 ? 'epoch' : 'epochs'}`, ...batch, optimizer].join(', ');
}

export function dataName({ modality, data }: RunRecipe): string {
  if (modality === 'program') return data.name;
  const name = setName(data);
  return 'domains' in data && data.domains !== undefined ? `${name} in three lights` : name;
}

function setName(data: Exclude<RunRecipe, { modality: 'program' }>['data']): string {
  switch (data.name) {
    case 'fashionMnist':
      return 'Fashion-MNIST';
    case 'cifar10':
    case 'cifar100':
      return cifarFormats[data.name].title;
    case 'idx':
    case 'imageFolder':
      return data.path === undefined ? data.name : shortPath(data.path);
    case 'glue':
      return glueTasks[data.task].folder;
    case 'text':
      return shortPath(data.path ?? data.train ?? data.name);
  }
}

/** The name of the data, with their limits. */
export function dataText(recipe: RunRecipe): string {
  if (recipe.modality === 'program') return dataName(recipe);
  const { name, trainLimit, testLimit } = recipe.data;
  const kind = ['glue', 'text', 'imageFolder'].includes(name) ? 'sample of' : 'first';
  const samples = recipe.modality === 'image' ? 'pictures' : 'sentences';
  const limited = (limit: number | undefined, split: string): string[] =>
    limit === undefined ? [] : [`${kind} ${limit.toLocaleString('en')} ${split} ${samples}`];
  return [dataName(recipe), ...limited(trainLimit, 'training'), ...limited(testLimit, 'test')].join(', ');
}
