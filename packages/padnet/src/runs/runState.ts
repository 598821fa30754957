import { isThere } from '../readRegularFile.js';
import { readEvents } from './readRun.js';
import type { RunFolder } from './runFolder.js';

/** How far the run in a folder is: not there, begun, or trained to its end. */
export type RunState = 'missing' | 'started' | 'finished';

/** @throws InputError where its metrics are damaged */
export function runState(folder: RunFolder): RunState {
  if (!isThere(folder.recipe)) return 'missing';
  const finished = isThere(folder.model) && readEvents(folder.metrics).some(({ type }) => type === 'finished');
  return finished ? 'finished' : 'started';
}
