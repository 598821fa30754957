/** Made-up runs of GLUE's table with round numbers. */
import { type GlueCell, type GlueMatrix, glueMatrix } from '../experiments/index.js';
import { parseRecipe, type TextRecipe } from '../recipe/index.js';
import type { GlueResults, GlueRun } from './glueTable.js';

function recipeOf({ task, network, seed }: GlueCell): TextRecipe {
  const text = `
modality: text
model: { pretrained: encoder, layer: ${network === 'scratch' ? 'static' : network}, numExperts: 4, k: 2 }
data: { task: ${task} }
training: { epochs: 2, seed: ${seed} }
${network === 'pad' ? 'partition: { ratio: 0.5 }' : ''}
`;
  const recipe = parseRecipe(text, 'made-up.yaml');
  if (recipe.modality !== 'text') throw new Error('not of texts');
  return recipe;
}

export function glueRun(cell: GlueCell, score: number, changes: Partial<GlueRun> = {}): GlueRun {
  const ratios = { scratch: 0, static: 0, moe: 1, pad: 0.5 };
  return {
    ...cell,
    run: `runs/${cell.task}-${cell.network}-seed${cell.seed}`,
    score,
    metric: 'accuracy',
    metrics: { accuracy: score },
    testLoss: 0.5,
    validationScore: null,
    epochs: 2,
    steps: 20,
    parameters: 1_000_000,
    dynamicRatio: ratios[cell.network],
    stepSeconds: 0.25,
    peakMemoryBytes: 1e9,
    trainingSeconds: 5,
    recipe: recipeOf(cell),
    environment: null,
    changes: [],
    ...changes,
  };
}

/** @param scores by `<task>-<network>`, one for each seed in order; null where a run has not finished */
export function glueResults(
  given: GlueMatrix,
  scores: Readonly<Record<string, readonly (number | null)[]>>,
  failed: GlueResults['failed'] = [],
): GlueResults {
  const matrix = glueMatrix(given);
  const runs = matrix.tasks.flatMap((task) =>
    matrix.networks.flatMap((network) =>
      matrix.seeds.flatMap((seed, index) => {
        const score = scores[`${task}-${network}`]?.[index] ?? null;
        return score === null ? [] : [glueRun({ task, network, seed }, score)];
      }),
    ),
  );
  const majority = matrix.tasks.map((task) => ({ task, answer: 'yes', score: 0.25, metrics: { accuracy: 0.25 } }));
  return { matrix, runs, failed, diverged: [], majority };
}
