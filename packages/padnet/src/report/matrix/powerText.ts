/** What the seeds of an ablation can show, in words. */
import { type AblationPower, neededSeeds } from '../../experiments/index.js';
import { counted, formatRatio } from '../format.js';

/** @param seeds how many there are. @returns sentences */
export function powerText(power: AblationPower, seeds: number): string[] {
  const { effect, correctedEffect, rows, measured, difference } = power;
  if (effect === null || correctedEffect === null)
    return [
      'One seed shows no difference: how far differences lie apart from seed to seed is not known.',
      ...need(power),
    ];
  const corrected = (text: string): string => (rows === 1 ? '' : ` (${text} after the correction over ${rows} rows)`);
  const first =
    `In 80 % of cases ${seeds} seeds show a difference of ${formatRatio(effect)} times its standard deviation from ` +
    `seed to seed${corrected(formatRatio(correctedEffect))}, by a paired t test at 5 %, two-sided.`;
  if (measured === null) {
    const most =
      difference === null
        ? []
        : [`So ${pointsText(difference)} can be shown where that deviation is at most ${points(difference / effect)}.`];
    return [first, ...most, ...need(power)];
  }
  const { deviation, differences, freedom } = measured;
  const from = `${counted(differences, 'difference')}, ${counted(freedom, 'degree')} of freedom`;
  const seen = `${pointsText(effect * deviation)} can be shown${corrected(points(correctedEffect * deviation))}`;
  return [first, `It was ${pointsText(deviation)} in the runs so far (${from}), so that ${seen}.`, ...need(power)];
}

/** The seeds that the difference needs which would count. */
function need({ measured, difference, rows, ...power }: AblationPower): string[] {
  if (difference === null) return [];
  const name = `A difference of ${pointsText(difference)} needs`;
  if (measured === null)
    return [
      `${name} ${neededSeeds(2)!} seeds where the deviation is half as large, ${neededSeeds(1)!} where it is as ` +
        `large, ${neededSeeds(0.5)!} where it is twice as large.`,
    ];
  const count = (seeds: number | null): string => (seeds === null ? 'more than 10,000' : String(seeds));
  const corrected = rows === 1 ? '' : ` (${count(power.correctedNeededSeeds)} after the correction over ${rows} rows)`;
  return [`${name} ${count(power.neededSeeds)} seeds${corrected}.`];
}

/** A fraction in points, with their name: `1 point`, `0.5 points`. */
export function pointsText(fraction: number): string {
  return counted(points(fraction), 'point');
}

/** A fraction in points: `0.5`, `1.23`. */
function points(fraction: number): string {
  return String(Number((100 * fraction).toPrecision(3)));
}
