/** Training samples that are held out: epochs are scored on them, so that the test data stay unread until the end. */
import { InputError } from '../errors.js';
import { selectPictures, type ImageDataset } from './dataset.js';
import { stratifiedSplit } from './dataSplit.js';
import { pictureFile } from './pictureFiles.js';
import { selectTexts, type TextDataset } from './text/textDataset.js';

/** How samples are held out. */
export interface ValidationOptions {
  /** The share of each class. */
  readonly fraction: number;
  /** Decides which samples these are. */
  readonly seed: number;
}

export interface HeldOut<Dataset> {
  readonly train: Dataset;
  readonly validation: Dataset;
}

/** @throws InputError where no class has two pictures */
export function holdOutPictures<Dataset extends ImageDataset>(
  dataset: Dataset,
  options: ValidationOptions,
): HeldOut<Dataset> {
  const nameOf = (index: number): string =>
    dataset.kind === 'folder' ? pictureFile(dataset.files, index).path : String(index);
  const { train, validation } = holdOut(dataset.name, dataset.labels, nameOf, options);
  return {
    train: selectPictures(dataset, train),
    validation: { ...selectPictures(dataset, validation), name: `${dataset.name}, held out` },
  };
}

/** Of texts with scores a share of all. @throws InputError where no class has two texts */
export function holdOutTexts(dataset: TextDataset, options: ValidationOptions): HeldOut<TextDataset> {
  const { name, length, labels, classNames } = dataset;
  const classes = classNames && labels ? labels : new Float32Array(length);
  const { train, validation } = holdOut(name, classes, String, options);
  return {
    train: selectTexts(dataset, train),
    validation: { ...selectTexts(dataset, validation), name: `${name}, held out` },
  };
}

/** Classes of one sample keep it. @returns indices, ascending */
function holdOut(
  dataset: string,
  labels: ArrayLike<number>,
  nameOf: (index: number) => string,
  { fraction, seed }: ValidationOptions,
): HeldOut<Uint32Array<ArrayBuffer>> {
  const indices = new Map<string, number>();
  const classes = new Map<number, string[]>();
  for (let index = 0; index < labels.length; index++) {
    const name = nameOf(index);
    indices.set(name, index);
    const names = classes.get(labels[index]!);
    if (names) names.push(name);
    else classes.set(labels[index]!, [name]);
  }
  const divisible = [...classes.values()].filter(({ length }) => length > 1);
  const { test: chosen } = stratifiedSplit(divisible, { testFraction: fraction, seed });
  if (chosen.length === 0)
    throw new InputError(
      `data.validation: ${dataset} has no class of two or more training samples, so that none can be held out; ` +
        'train on more, or take the section away',
    );
  const validation = Uint32Array.from(chosen, (name) => indices.get(name)!).sort();
  const isHeldOut = new Set(validation);
  const train = Uint32Array.from(indices.values()).filter((index) => !isHeldOut.has(index));
  return { train, validation };
}
