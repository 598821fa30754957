/** A made-up ablation with round numbers: κ over two seeds, and a grid. */
import {
  type AblationCell,
  type AblationPlan,
  ablationRuns,
  parseAblation,
  planAblation,
} from '../experiments/index.js';
import { parseRecipe } from '../recipe/index.js';
import type { AblationResults, AblationRun } from './ablationPlan.js';

const recipe = `
model: { name: resnet10, layer: partial, stem: small, width: 16 }
data: { name: fashionMnist, trainLimit: 15000 }
training: { epochs: 4 }
partition: { ratio: 0.3 }
`;

const recipes: Readonly<Record<string, string>> = {
  'pad.yaml': recipe,
  'static.yaml': recipe
    .replace('layer: partial', 'layer: static')
    .replace(/partition.*/, '')
    .replace('epochs: 4', 'epochs: 5'),
};

export const ablation = `
recipe: pad.yaml
seeds: [1, 2]
references: [static.yaml]
sweeps:
  - partition.ratio: [0.1, 0.3, 0.5]
  - partition.ratio: [0.1, 0.3]
    partition.granularity: [entry, filter]
`;

/** @param isHeldOut whether recipes hold training data out */
export function planOf(text: string, { isHeldOut = false } = {}): AblationPlan {
  const held = isHeldOut ? ['data.validation.fraction=0.1'] : [];
  return planAblation(parseAblation(text, 'ablation.yaml'), (file, overrides) =>
    parseRecipe(recipes[file]!, file, [...held, ...overrides]),
  );
}

export const ablationPlan = planOf(ablation);

/** @param scores by variant, one for each seed in order; null, or left out, where a run has not finished */
export function ablationResults(
  scores: Readonly<Record<string, readonly (number | null)[]>>,
  failed: AblationResults['failed'] = [],
  plan = ablationPlan,
): AblationResults {
  const runs = ablationRuns(plan).flatMap(({ cell, recipe: own }) => {
    const { variant, seed } = cell;
    const score = scores[variant]?.[plan.seeds.indexOf(seed)] ?? null;
    return score === null ? [] : [ablationRun(cell, score, { recipe: own })];
  });
  return { plan, runs, failed, diverged: [] };
}

export function ablationRun(cell: AblationCell, score: number, changes: Pick<AblationRun, 'recipe'>): AblationRun {
  const ratio = changes.recipe.partition?.ratio ?? 0;
  return {
    ...cell,
    run: `runs/${cell.variant}-seed${cell.seed}`,
    metric: 'accuracy',
    score,
    metrics: { accuracy: score },
    testLoss: 0.5,
    validationScore: null,
    epochs: 4,
    steps: 20,
    parameters: 1_000_000 * (1 + 3 * ratio),
    dynamicRatio: ratio,
    stepSeconds: cell.seed === 1 ? 0.25 : 0.35,
    peakMemoryBytes: 1e9,
    trainingSeconds: 5,
    environment: null,
    changes: [],
    ...changes,
  };
}
