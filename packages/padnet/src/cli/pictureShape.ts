/** The shape of a recipe's pictures, for networks that have not been trained. */
import { FASHION_MNIST_CLASSES } from '../data/index.js';
import type { DataOptions } from '../training/index.js';

export interface PictureShape {
  /** [channels, height, width] */
  readonly shape: readonly [number, number, number];
  readonly numClasses: number;
}

/** Reads no file where the data set's name says it all. @throws InputError where files are missing or damaged */
export async function pictureShape(data: DataOptions): Promise<PictureShape> {
  switch (data.name) {
    case 'fashionMnist':
      return { shape: [1, 28, 28], numClasses: FASHION_MNIST_CLASSES.length };
    case 'idx': {
      const { loadData } = await import('../training/index.js');
      const { channels, height, width, numClasses } = loadData(data).train;
      return { shape: [channels, height, width], numClasses };
    }
  }
}
