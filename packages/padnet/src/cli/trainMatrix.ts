/**
 * The runs of a matrix, one after the other, each in a folder and a process of its own, and their tables, which are
 * written anew whenever a run has finished: what `glue` and `ablate` do.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError, reasonOf } from '../errors.js';
import { type FinishedRun, type MatrixResults, type MatrixRun, readFinishedRun } from '../experiments/index.js';
import { checkOutput, writeOutput } from '../outputFile.js';
import type { Recipe } from '../recipe/index.js';
import type { MatrixFile, MatrixOrigin, MatrixReport } from '../report/index.js';
import {
  FolderHeldError,
  holdFolder,
  readDivergence,
  type RunFolder,
  runState,
  writeDivergence,
} from '../runs/index.js';
import { finishedEvent, taskKind } from '../training/index.js';
import { commandLine } from './commandLine.js';
import { Interruption, isAbort } from './interruption.js';
import { checkSameRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { placeRuns, type PlacedRun } from './placeRuns.js';
import { titleView, trainingView } from './trainingView.js';
import { fetchPretrained, trainRun } from './trainRun.js';

/** The beginning of the remarks in the help of `glue` and `ablate`. */
export const goesOnHelp =
  '\nFinished runs are not trained again, and begun ones go on: after Ctrl-C (exit code 130) the same command ' +
  'continues.';

type Report = MatrixReport<{ readonly failed: readonly unknown[] }>;

export interface MatrixOptions<Cell, R extends Recipe> {
  readonly runs: readonly MatrixRun<Cell, R>[];
  /** The folder of runs and tables. */
  readonly out: string;
  /** Folders in it that have runs too. */
  readonly within?: readonly string[];
  /** The files that the report has. */
  readonly files: readonly MatrixFile[];
  readonly report: (results: MatrixResults<Cell, R>, origin: MatrixOrigin) => Report | Promise<Report>;
  /** The runs that follow from those; those among them that are there already are the same. */
  readonly next?: (results: MatrixResults<Cell, R>) => readonly MatrixRun<Cell, R>[];
  /** Told before the first run, in lines, from the runs that have finished already; none: nothing. */
  readonly title?: (results: MatrixResults<Cell, R>) => readonly string[];
  /** Start anew what cannot be gone on with; undefined: the command has no such option. */
  readonly force?: boolean;
  /** Files that the command reads: none of them is deleted with a run. */
  readonly inputs?: readonly string[];
  /** Whether code of the user's own that recipes name may be run. @default false */
  readonly allowCode?: boolean | undefined;
  /** Whether stdout is for the results: what is trained is told on stderr then. */
  readonly json: boolean;
}

/**
 * Trains the runs that have not finished, then those that follow from them; those that another process has are left to
 * it. A run that fails does not end the others. The exit code says whether a signal stopped it, and whether runs are
 * missing.
 *
 * @throws InputError before anything is trained, where a run cannot be gone on with, or something else is where a
 * table is to be
 */
export async function trainMatrix<Cell extends object, R extends Recipe>(
  options: MatrixOptions<Cell, R>,
  terminal: Terminal,
): Promise<void> {
  const { out, json, title, files, next } = options;
  const matrix = new Matrix(commandLine(terminal.parameters), options);
  const first = matrix.add(options.runs);
  for (const { name, kind } of files) checkOutput(resolve(out, name), kind);
  (await holdFolder(out))[Symbol.dispose](); // nobody else has it
  if (next) matrix.add(next(matrix.results())); // what can be told by now
  if (title !== undefined && !json) for (const line of title(matrix.results())) terminal.progress(line);
  if (!(await trainRuns(matrix, first, terminal))) return;
  if (next && !(await trainRuns(matrix, matrix.add(next(matrix.results())), terminal))) return;
  matrix.tellMissing(terminal);
  const { document, text, written } = await matrix.write();
  if (document.failed.length > 0) terminal.exitCode = 1; // also finished runs that are damaged
  terminal.result(json, document, () => [text, '', ...written]);
}

function checkObstacle(
  run: PlacedRun,
  { force, inputs = [] }: Pick<MatrixOptions<never, never>, 'force' | 'inputs'>,
): void {
  const obstacle = runObstacle(run);
  if (!obstacle) return;
  if (force === undefined) throw obstacle;
  if (!force) throw new InputError(`${obstacle.message}; --force starts it from the beginning`, { cause: obstacle });
  for (const input of inputs) run.folder.checkInput(input);
}

/**
 * Why a run cannot be gone on with: it was started with another recipe, or a file of it is damaged. Null where nothing
 * is in the way.
 *
 * @throws InputError where the folder has something else than a run
 */
function runObstacle({ recipe, folder }: PlacedRun): InputError | null {
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

/** One of another recipe is there until it is started anew. */
function isFinished(run: PlacedRun): boolean {
  return runObstacle(run) === null && runState(run.folder) === 'finished';
}

/** Whether a try has been trained as far as numbers were finite. @returns why it could not go on; null: it has not */
function divergenceOf(run: PlacedRun): string | null {
  if (run.isTry !== true || runObstacle(run) !== null || runState(run.folder) !== 'started') return null;
  return readDivergence(run.folder);
}

function isDivergence(error: unknown): boolean {
  return error instanceof Error && ['NonFiniteLossError', 'NonFiniteError', 'NonFiniteScoreError'].includes(error.name);
}

/** The runs, and the tables of those that have finished, whichever process trained them, in the folder of the runs. */
class Matrix<Cell extends object, R extends Recipe> {
  readonly #runs = new Map<string, PlacedRun<Cell, R>>();
  /** Those that `force` starts from the beginning. */
  readonly #forced = new Set<PlacedRun<Cell, R>>();
  /** A finished run does not change. */
  readonly #finished = new Map<PlacedRun<Cell, R>, Cell & FinishedRun<R>>();
  /** Why a run failed, or, though finished, cannot be used. */
  readonly failed = new Map<PlacedRun<Cell, R>, string>();
  /** Why tries could not be trained on. */
  readonly diverged = new Map<PlacedRun<Cell, R>, string>();

  /** @param command the command that goes on where this stops */
  constructor(
    readonly command: string,
    readonly options: MatrixOptions<Cell, R>,
  ) {}

  /** @returns the runs in their folders. @throws InputError where one cannot be gone on with */
  add(runs: readonly MatrixRun<Cell, R>[]): PlacedRun<Cell, R>[] {
    const { out, within = [] } = this.options;
    const fresh = runs.filter(({ name }) => !this.#runs.has(name));
    const taken = Array.from(this.#runs.values(), ({ folder }) => folder.path);
    const placed = placeRuns(fresh, out, { within: within.map((name) => join(out, name)), taken });
    for (const run of placed) {
      checkObstacle(run, this.options);
      if (runObstacle(run) !== null) this.#forced.add(run);
    }
    for (const run of placed) this.#runs.set(run.name, run);
    return runs.map(({ name }) => this.#runs.get(name)!);
  }

  /** Whether what is in the folder was in the way from the beginning, and is to go: nothing that has come since. */
  isAnew(run: PlacedRun<Cell, R>): boolean {
    return this.#forced.has(run) && runObstacle(run) !== null;
  }

  /** Says how many runs are missing, and sets the exit code, where any are. */
  tellMissing(terminal: Terminal): void {
    const runs = [...this.#runs.values()];
    const missing = runs.filter((run) => !isFinished(run) && !this.diverged.has(run)).length;
    if (missing === 0) return;
    terminal.remark(`${missing} of ${runs.length} runs ${missing === 1 ? 'is' : 'are'} missing`);
    terminal.exitCode = 1;
  }

  /** What there is by now. */
  results(): MatrixResults<Cell, R> {
    const runs = [...this.#runs.values()];
    for (const run of runs) {
      if (this.#finished.has(run)) continue;
      if (isFinished(run)) this.#read(run);
      const divergence = divergenceOf(run);
      if (divergence !== null) this.diverged.set(run, divergence);
    }
    const told = (messages: ReadonlyMap<PlacedRun<Cell, R>, string>) =>
      runs.flatMap((run) => {
        const message = messages.get(run);
        return message === undefined ? [] : [{ ...run.cell, message }];
      });
    return {
      runs: runs.flatMap((run) => this.#finished.get(run) ?? []),
      failed: told(this.failed),
      diverged: told(this.diverged),
    };
  }

  /** @returns the report, and a line for each file, such as `page: …` */
  async write() {
    const { out } = this.options;
    const report = await this.options.report(this.results(), { command: this.command, date: new Date() });
    using _hold = await holdFolder(out);
    const written = report.files.map(({ name, kind, label, content }) => {
      const file = resolve(out, name);
      writeOutput(file, content, kind);
      return `${label}: ${file}`;
    });
    return { ...report, written };
  }

  #read(run: PlacedRun<Cell, R>): void {
    try {
      this.#finished.set(run, readFinishedRun(run.folder, run, this.options));
      this.failed.delete(run);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const messages = run.isTry && isDivergence(error) ? this.diverged : this.failed;
      messages.set(run, error.message);
    }
  }
}

/** @returns whether it came to the end: else a signal stopped it */
async function trainRuns<Cell extends object, R extends Recipe>(
  matrix: Matrix<Cell, R>,
  runs: readonly PlacedRun<Cell, R>[],
  terminal: Terminal,
): Promise<boolean> {
  const { command } = matrix;
  const { json, allowCode } = matrix.options;
  using interruption = new Interruption(terminal);
  const { signal } = interruption;
  const stopped = (): false => {
    matrix.tellMissing(terminal);
    terminal.exitCode = interruption.exitCode;
    return false;
  };
  const waiting = runs.filter((run) => matrix.isAnew(run) || runState(run.folder) !== 'finished');
  try {
    const names = waiting.flatMap(({ recipe }) => taskKind(recipe.modality).hubName(recipe) ?? []);
    for (const name of new Set(names)) await fetchPretrained(name, signal, terminal);
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
    return stopped();
  }
  for (const [index, run] of runs.entries()) {
    const { name, recipe, folder } = run;
    // Read only now: another process may have trained it.
    const anew = matrix.isAnew(run);
    const state = anew ? 'missing' : runState(folder);
    if (state === 'finished' && runObstacle(run) === null) {
      if (!run.isFound) await discardCheckpoints(folder);
      continue;
    }
    if (!anew && divergenceOf(run) !== null) continue;
    const title = `[${index + 1}/${runs.length}] ${state === 'started' ? 'resuming' : 'training'} ${name}`;
    try {
      const obstacle = anew ? null : runObstacle(run);
      if (obstacle) throw obstacle; // another process has put something else there
      const view = json ? titleView(terminal) : trainingView(terminal, { json: false });
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
      const hasDiverged = run.isTry === true && isDivergence(error);
      terminal.warn(`${name} ${hasDiverged ? 'diverged' : 'failed'}: ${message}`);
      if (hasDiverged) await unlessHeld(() => writeDivergence(folder, message));
      if (signal.aborted) return stopped();
      if (!hasDiverged) matrix.failed.set(run, message);
      continue;
    }
    await discardCheckpoints(folder);
    await matrix.write();
  }
  return !signal.aborted || stopped();
}

/** Nobody resumes a finished run, and they are three times as large as its network. */
async function discardCheckpoints(folder: RunFolder): Promise<void> {
  if (!existsSync(folder.checkpoints)) return;
  await unlessHeld(async () => {
    using _hold = await holdFolder(folder.path);
    folder.removeCheckpoints();
  });
}

/** A run that another process has by now is left to it. */
async function unlessHeld(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof FolderHeldError)) throw error;
  }
}
