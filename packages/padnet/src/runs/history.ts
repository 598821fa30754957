/** The events that a run has told, as `metrics.jsonl` has them: whether they are those that its checkpoint knows of. */
import { basename } from 'node:path';
import { InputError } from '../errors.js';
import { allowChangesText } from './changes.js';
import { digestOfLine, type CheckpointState } from './checkpoint.js';
import { parseEvent, type Change } from './events.js';

export interface History {
  /** As messages name it. */
  readonly file: string;
  /** One an event; those after the checkpoint may be there too, since they happen again. */
  readonly lines: readonly string[];
}

export interface CheckedHistory {
  /** Those up to the checkpoint. */
  readonly lines: readonly string[];
  /** Their digest. */
  readonly digest: string;
  /** Lines that are lost; null where none is. */
  readonly change: Change | null;
}

/** The digest of an empty history. */
export const NO_EVENTS = '';

export function digestOf(lines: readonly string[]): string {
  return lines.reduce(digestOfLine, NO_EVENTS);
}

/**
 * @param allowChanges go on with what can be read where lines are damaged or lost
 * @throws InputError saying what is wrong
 */
export function checkHistory(
  { file, lines }: History,
  state: Pick<CheckpointState, 'events' | 'step' | 'history'>,
  allowChanges: boolean,
): CheckedHistory {
  const told = lines.slice(0, state.events);
  const problem = problemOf(told, state);
  if (problem === null) return { lines: told, digest: state.history ?? digestOf(told), change: null };
  if (!allowChanges) {
    throw new InputError(
      `${file}${problem}; the checkpoint is whole: put the file back as it was, or go on with what is left of it by ` +
        allowChangesText,
    );
  }
  const kept = readable(lines, state.step);
  const change = { what: basename(file), before: `${state.events} events`, now: `${kept.length} that can be read` };
  return { lines: kept, digest: digestOf(kept), change };
}

function problemOf(
  told: readonly string[],
  { events, step, history }: Pick<CheckpointState, 'events' | 'step' | 'history'>,
): string | null {
  const damaged = told.findIndex((line) => parseEvent(line) === null);
  if (damaged !== -1) return `:${damaged + 1}: damaged: expected one JSON event per line`;
  if (told.length < events) return ` has ${told.length} of the ${events} events that the checkpoint knows of`;
  // An older version kept no digest: its steps come one after the other all the same.
  const isWhole = history === null ? readable(told, step).length === events : digestOf(told) === history;
  return isWhole ? null : ' has other events than the checkpoint knows of';
}

/** Lines with an event of step `last` at most; of each step one, in order. */
function readable(lines: readonly string[], last: number): string[] {
  const seen = new Set<string>();
  let done = 0;
  return lines.filter((line) => {
    const event = parseEvent(line);
    if (!event || !('step' in event) || event.step < done || event.step > last || seen.has(line)) return false;
    if (event.type === 'step' && event.step === done) return false;
    done = event.step;
    seen.add(line);
    return true;
  });
}
