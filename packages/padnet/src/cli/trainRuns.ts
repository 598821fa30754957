/** Several runs, one after the other, each in a folder and a process of its own: what `glue` and `ablate` do. */
import { existsSync } from 'node:fs';
import { InputError, reasonOf } from '../errors.js';
import type { Recipe } from '../recipe/index.js';
import { FolderHeldError, holdFolder, type RunFolder, runState } from '../runs/index.js';
import { finishedEvent, taskKind } from '../training/index.js';
import { Interruption, isAbort } from './interruption.js';
import { checkSameRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { trainingView, type TrainingView } from './trainingView.js';
import { fetchPretrained, trainRun } from './trainRun.js';

export interface PlannedRun {
  /** That of its folder, within the folder of all. */
  readonly name: string;
  readonly recipe: Recipe;
  readonly folder: RunFolder;
}

export interface TrainRunsOptions<Run extends PlannedRun> {
  readonly terminal: Terminal;
  /** Whether stdout is for the results: what is trained is told on stderr then. */
  readonly json: boolean;
  /** What goes on where this stops. */
  readonly command: string;
  /** Start anew what can not be gone on with. @default false */
  readonly force?: boolean;
  /** Whether code of the user's own that recipes name may be run. @default false */
  readonly allowCode?: boolean | undefined;
  /** After each run that is trained to its end here. */
  readonly onFinished: () => Promise<unknown>;
  readonly onFailed: (run: Run, message: string) => void;
}

/**
 * Why a run can not be gone on with: it was started with another recipe, or a file of it is damaged. Null where nothing is in the
 * way.
 *
 * @throws InputError where the folder has something else than a run
 */
export function runObstacle({ recipe, folder }: PlannedRun): InputError | null {
  try {
    if (runState(folder) !== 'missing') {
      checkSameRecipe(recipe, folder.path);
      if (runState(folder) === 'started') finishedEvent(folder, recipe, false);
      return null;
    }
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  folder.checkNew(false);
  return null;
}

/**
 * Trains those that have not finished; those that another process has are left to it. A run that fails does not end the others.
 *
 * @returns whether it came to the end: else a signal stopped it. The exit code says both, and whether runs are missing
 */
export async function trainRuns<Run extends PlannedRun>(
  runs: readonly Run[],
  { terminal, json, command, force = false, allowCode, onFinished, onFailed }: TrainRunsOptions<Run>,
): Promise<boolean> {
  using interruption = new Interruption(terminal);
  const { signal } = interruption;
  const isFinished = (run: Run): boolean => runObstacle(run) === null && runState(run.folder) === 'finished';
  const tellMissing = (): void => {
    let missing = 0;
    for (const run of runs) if (!isFinished(run)) missing++;
    if (missing === 0) return;
    terminal.remark(`${missing} of ${runs.length} runs ${missing === 1 ? 'is' : 'are'} missing`);
    terminal.exitCode = 1;
  };
  const stopped = (): false => {
    tellMissing();
    terminal.exitCode = interruption.exitCode;
    return false;
  };
  const isAnew = (run: Run): boolean => force && runObstacle(run) !== null;
  const waiting: Run[] = [];
  for (const run of runs) if (isAnew(run) || runState(run.folder) !== 'finished') waiting.push(run);
  try {
    for (const name of pretrainedNames(waiting)) await fetchPretrained(name, signal, terminal);
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
    return stopped();
  }
  const view: TrainingView = json ? remarks(terminal) : trainingView(terminal, { json: false });
  for (const [index, run] of runs.entries()) {
    const { name, recipe, folder } = run;
    // Read only now: another process may have trained it.
    const anew = isAnew(run);
    const state = anew ? 'missing' : runState(folder);
    if (state === 'finished') {
      await discardCheckpoints(folder);
      continue;
    }
    const title = `[${index + 1}/${runs.length}] ${state === 'started' ? 'resuming' : 'training'} ${name}`;
    try {
      const plan = { recipe, out: folder.path, resume: state === 'started', force: anew, allowCode };
      const end = await trainRun(plan, { signal, terminal, view, title });
      if (end.type === 'interrupted') {
        stopped();
        terminal.remark(`stopped at step ${end.step} of ${name}, saved; the same command goes on: ${command}`);
        return false;
      }
    } catch (error) {
      if (isAbort(error, signal)) return stopped();
      const message = reasonOf(error);
      if (error instanceof Error && error.name === 'FolderHeldError') {
        terminal.remark(`${name} is left to the process that trains it: ${message}`);
        continue;
      }
      if (isFinished(run)) continue; // another process was quicker
      terminal.remark(`padnet: ${name} failed: ${message}`);
      if (signal.aborted) return stopped();
      onFailed(run, message);
      continue;
    }
    await discardCheckpoints(folder);
    await onFinished();
  }
  tellMissing();
  return true;
}

function pretrainedNames(runs: readonly PlannedRun[]): Set<string> {
  return new Set(runs.flatMap(({ recipe }) => taskKind(recipe.modality).hubName(recipe) ?? []));
}

/** Nobody resumes a finished run, and they are three times as large as its network. */
async function discardCheckpoints(folder: RunFolder): Promise<void> {
  if (!existsSync(folder.checkpoints)) return;
  try {
    using _hold = await holdFolder(folder.path);
    folder.removeCheckpoints();
  } catch (error) {
    if (!(error instanceof FolderHeldError)) throw error; // whoever has it knows what for
  }
}

/** Titles alone. */
function remarks(terminal: Terminal): TrainingView {
  return {
    start: (text) => {
      terminal.remark(text);
    },
    show: () => undefined,
    end: () => undefined,
  };
}
