/** The data that a recipe names. */
import { limit, loadFashionMnist, loadIdxFolder, type ImageSplits } from '../data/index.js';
import { InputError } from '../errors.js';
import type { DataOptions } from './recipe.js';

/** @throws InputError where files are missing or damaged */
export function loadData({ name, path, trainLimit, testLimit }: DataOptions): ImageSplits {
  const { train, test } = loadSplits(name, path);
  return {
    train: trainLimit === undefined ? train : limit(train, trainLimit),
    test: testLimit === undefined ? test : limit(test, testLimit),
  };
}

function loadSplits(name: DataOptions['name'], path: string | undefined): ImageSplits {
  switch (name) {
    case 'fashionMnist':
      return loadFashionMnist(path === undefined ? {} : { path });
    case 'idx':
      if (path === undefined)
        throw new InputError('data.path: data.name is idx, so the folder with the IDX files is needed');
      return loadIdxFolder(path);
  }
}
