import { expect, it } from 'vitest';
import { glueHeading, glueMatrix, glueNetworks, glueRuns } from './glue.js';
import { parseRecipe, type Recipe, type RecipeOverride } from '../recipe/index.js';

const matrix = glueMatrix({ tasks: ['rte', 'cola', 'rte'], networks: ['pad', 'static'], seeds: [3, 1, 3] });

it('takes each once, as GLUE lists tasks, static before partial, seeds ascending', () => {
  expect(matrix).toEqual({ tasks: ['cola', 'rte'], networks: ['static', 'pad'], seeds: [1, 3] });
});

const read = (file: string, overrides: readonly RecipeOverride[]): Recipe =>
  parseRecipe(
    `
modality: text
model: { pretrained: encoder, layer: partial, numExperts: 4 }
data: { task: ${/(\w+)-pad50\.yaml$/.exec(file)![1]!} }
training: { epochs: 2 }
partition: { ratio: 0.3 }
`,
    file,
    overrides,
  );

it('goes seed by seed, then task by task', () => {
  expect(glueRuns(matrix, 'recipes', read).map(({ name }) => name)).toEqual([
    'cola-static-seed1',
    'cola-pad-seed1',
    'rte-static-seed1',
    'rte-pad-seed1',
    'cola-static-seed3',
    'cola-pad-seed3',
    'rte-static-seed3',
    'rte-pad-seed3',
  ]);
});

it('makes every network of the recipe of a partial one', () => {
  const runs = glueRuns({ tasks: ['rte'], networks: glueNetworks, seeds: [7] }, 'recipes', read);
  expect(
    runs.map(({ recipe: { model, partition, training } }) => ({
      layer: model.layer,
      fromScratch: model.fromScratch,
      ratio: partition?.ratio,
      seed: training.seed,
    })),
  ).toEqual([
    { layer: 'static', fromScratch: true, ratio: undefined, seed: 7 },
    { layer: 'static', fromScratch: false, ratio: undefined, seed: 7 },
    { layer: 'dynamic', fromScratch: false, ratio: undefined, seed: 7 },
    { layer: 'partial', fromScratch: false, ratio: 0.3, seed: 7 },
  ]);
});

it('refuses a recipe of another task', () => {
  expect(() => glueRuns(matrix, 'recipes', (_file, overrides) => read('rte-pad50.yaml', overrides))).toThrow(
    'recipes/cola-pad50.yaml: expected a recipe with modality: text and data.task: cola',
  );
});

it('heads columns as GLUE does', () => {
  expect(glueHeading('sst2')).toEqual(['SST-2', 'Acc']);
  expect(glueHeading('stsb')).toEqual(['STS-B', '(P+S)/2']);
});
