/** One run, trained and watched: what `train` and `glue` do. */
import { resolvePretrained } from '../models/index.js';
import type { Recipe } from '../recipe/index.js';
import type { FinishedEvent, InterruptedEvent } from '../runs/index.js';
import { taskKind, throwNamed, trainInProcess, type TrainRecipeOptions } from '../training/index.js';
import { formatBytes } from '../report/format.js';
import type { Terminal } from './terminal.js';
import type { TrainingView } from './trainingView.js';

export interface RunPlan extends Pick<TrainRecipeOptions, 'force' | 'allowChanges' | 'device' | 'allowCode' | 'ranks'> {
  readonly recipe: Recipe;
  readonly out: string;
  readonly resume: boolean;
}

export interface Watch {
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
  readonly view: TrainingView;
  /** A line that is printed once recipe, data and folder have been found good: at the first event. */
  readonly title: string;
}

/** @returns how it ended @throws as `trainRecipe` */
export async function trainRun(plan: RunPlan, watch: Watch): Promise<FinishedEvent | InterruptedEvent> {
  const { recipe, ...options } = plan;
  const { signal, terminal, view, title } = watch;
  let end: FinishedEvent | InterruptedEvent | null = null;
  try {
    const name = taskKind(recipe.modality).hubName(recipe);
    // One process of a machine; the others wait for it to come.
    if (name !== null && (plan.ranks?.localRank ?? 0) === 0) await fetchPretrained(name, signal, terminal);
    let isStarted = false;
    for await (const event of trainInProcess(recipe, { ...options, signal })) {
      if (!isStarted) view.start?.(title);
      isStarted = true;
      view.show?.(event);
      if (event.type === 'finished' || event.type === 'interrupted') end = event;
    }
  } finally {
    view.end?.();
  }
  if (end === null) throw new Error(`the training of ${plan.out} ended without saying how`);
  return end;
}

/** Downloads the `model.pretrained` of a recipe where it is not here yet, telling how far it is. */
export async function fetchPretrained(name: string, signal: AbortSignal, terminal: Terminal): Promise<void> {
  let told = performance.now();
  await resolvePretrained(name, {
    signal,
    onProgress: ({ file, receivedBytes, totalBytes }) => {
      if (performance.now() - told < 2000) return;
      told = performance.now();
      const total = totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`;
      terminal.remark(`downloading ${name}: ${file}, ${formatBytes(receivedBytes)}${total}`);
    },
  }).catch(throwNamed);
}
