import { expect, it } from 'vitest';
import { glueCells, glueMatrix, glueNetworks, glueOverrides, glueRunName } from './glueRuns.js';
import { parseRecipe } from '../recipe/loadRecipe.js';

const matrix = glueMatrix({ tasks: ['rte', 'cola', 'rte'], networks: ['pad', 'static'], seeds: [3, 1, 3] });

it('takes each once, as GLUE lists tasks, static before partial, seeds ascending', () => {
  expect(matrix).toEqual({ tasks: ['cola', 'rte'], networks: ['static', 'pad'], seeds: [1, 3] });
});

it('goes seed by seed, then task by task', () => {
  expect(glueCells(matrix).map(glueRunName)).toEqual([
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
  const text = `
modality: text
model: { pretrained: encoder, layer: pad, numExperts: 4 }
data: { task: rte }
training: { epochs: 2 }
partition: { ratio: 0.3 }
`;
  const recipes = glueNetworks.map((network) => parseRecipe(text, 'rte.yaml', glueOverrides({ network, seed: 7 })));
  expect(
    recipes.map(({ model, partition, training }) => ({
      layer: model.layer,
      fromScratch: 'fromScratch' in model && model.fromScratch,
      ratio: partition?.ratio,
      seed: training.seed,
    })),
  ).toEqual([
    { layer: 'static', fromScratch: true, ratio: undefined, seed: 7 },
    { layer: 'static', fromScratch: false, ratio: undefined, seed: 7 },
    { layer: 'moe', fromScratch: false, ratio: undefined, seed: 7 },
    { layer: 'pad', fromScratch: false, ratio: 0.3, seed: 7 },
  ]);
});
