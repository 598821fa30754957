/** Changes of what decides a run's bits, in words. */
import type { Change } from './events.js';

const shown = 4;

/** How to go on in spite of them, in messages. */
export const allowChangesText =
  '`padnet train --resume <run> --allow-changes` (allowChanges in code), which is recorded in the run';

/** `training.learningRate was 0.05, is 0.1; threads was 2, is 1` */
export function changesText(changes: readonly Change[]): string {
  const texts = changes.slice(0, shown).map(({ what, before, now }) => {
    return `${what} was ${before ?? 'not there'}, is ${now ?? 'not there'}`;
  });
  const more = changes.length - shown;
  return [...texts, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
