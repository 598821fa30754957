import { changesText } from '../runs/changes.js';
import type { Change } from '../runs/events.js';

/** A sentence for each run that was gone on with although something had changed. */
export function changeNotes(runs: readonly { readonly name: string; readonly changes: readonly Change[] }[]): string[] {
  return runs
    .filter(({ changes }) => changes.length > 0)
    .map(
      ({ name, changes }) =>
        `${name} was gone on with after changes and is not what its recipe alone gives: ${changesText(changes)}.`,
    );
}
