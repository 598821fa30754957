import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { MatrixRun } from '../experiments/index.js';
import { parseRecipe, type Recipe, serialiseRecipe } from '../recipe/index.js';
import { placeRuns } from './placeRuns.js';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'padnet-place-'));
});
afterEach(() => {
  rmSync(out, { recursive: true });
});

const recipe = (epochs: number): Recipe =>
  parseRecipe(`model: { name: resnet10 }\ntraining: { epochs: ${epochs} }\n`, 'recipe.yaml');
const run = (name: string, epochs: number): MatrixRun<object> => ({ name, cell: {}, recipe: recipe(epochs) });

/** A folder as that of a run of so many epochs. */
function write(name: string, epochs: number, state: 'started' | 'finished' = 'finished'): void {
  const folder = join(out, name);
  mkdirSync(join(folder, 'model'), { recursive: true });
  writeFileSync(join(folder, 'recipe.yaml'), serialiseRecipe(recipe(epochs)));
  const finished = {
    ...{ type: 'finished', epoch: epochs, step: 1, metric: 'accuracy', testScore: 0.5, testMetrics: { accuracy: 0.5 } },
    ...{ testLoss: 1, peakMemoryBytes: 1, trainingSeconds: 1, seconds: 1 },
  };
  writeFileSync(join(folder, 'metrics.jsonl'), state === 'finished' ? `${JSON.stringify(finished)}\n` : '');
  if (state === 'finished') writeFileSync(join(folder, 'model/model.json'), '{}');
}

const placed = (runs: readonly MatrixRun<object>[], taken: readonly string[] = []): [string, boolean][] =>
  placeRuns(runs, out, { within: [join(out, 'tune')], taken: taken.map((name) => join(out, name)) }).map(
    ({ folder, isFound }) => [relative(out, folder.path), isFound],
  );

it('is where it is called, or where its recipe has finished under another name', () => {
  expect(placed([run('a', 1)])).toEqual([['a', false]]);
  write('a', 1, 'started');
  write('tune/other', 2);
  expect(placed([run('a', 1), run('b', 2)])).toEqual([
    ['a', false],
    ['tune/other', true],
  ]);
});

it('takes nothing that has not finished, nothing from deeper folders, and none twice', () => {
  write('begun', 1, 'started');
  write('backup/of/a', 2);
  write('third', 3);
  expect(placed([run('a', 1), run('b', 2), run('c', 3)], ['third'])).toEqual([
    ['a', false],
    ['b', false],
    ['c', false],
  ]);
});

it('gives the folder of its name to nobody else, also where cases are not told apart', () => {
  write('a', 1);
  write('B', 2);
  const places = placed([run('b', 1), run('a', 2), run('A', 3)]);
  expect(places.slice(0, 2)).toEqual([
    ['a', true],
    ['B', true],
  ]);
  expect(places[2]![0]).toMatch(/^A-[0-9a-f]{8}$/);
  // Found again by that name.
  write(places[2]![0], 3);
  expect(placed([run('b', 1), run('a', 2), run('A', 3)])[2]).toEqual([places[2]![0], false]);
});

it('passes over what it cannot read', () => {
  writeFileSync(join(out, 'file'), '');
  write('damaged', 1);
  writeFileSync(join(out, 'damaged/recipe.yaml'), 'model: [');
  mkdirSync(join(out, 'closed'));
  chmodSync(join(out, 'closed'), 0);
  expect(placed([run('a', 1)])).toEqual([['a', false]]);
});
