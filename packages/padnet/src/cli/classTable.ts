/** How many samples of each class were recognised. */
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';

export interface ClassAccuracy {
  readonly name: string;
  readonly samples: number;
  /** null where there are none. */
  readonly accuracy: number | null;
}

/** @param predictions NaN: the sample is left out */
export function classAccuracies(
  classNames: readonly string[],
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): ClassAccuracy[] {
  return classNames.map((name, label) => {
    const members = Array.from(predictions).filter(
      (prediction, index) => labels[index] === label && !Number.isNaN(prediction),
    );
    const correct = members.filter((prediction) => prediction === label).length;
    return { name, samples: members.length, accuracy: members.length === 0 ? null : correct / members.length };
  });
}

/** @param samples what they are called */
export function classTable(classes: readonly ClassAccuracy[], samples: string): string {
  return alignGrid({
    heading: ['class', samples, 'accuracy'],
    rows: classes.map((row) => [row.name, String(row.samples), formatPercent(row.accuracy)]),
    leftColumns: 1,
  });
}
