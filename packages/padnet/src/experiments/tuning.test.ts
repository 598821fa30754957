import { describe, expect, it } from 'vitest';
import { parseRecipe } from '../recipe/index.js';
import { parseAblation, parseTuning } from './ablation.js';
import { type AblationPlan, type AblationResults, ablationRuns, ablationTries, planAblation } from './ablationPlan.js';
import { ablationRun } from './ablationRuns.test.fixture.js';
import { ablationTable } from './ablationTable.js';
import { chosenRecipes, tunedNetworks } from './tuning.js';

const recipes: Readonly<Record<string, string>> = {
  'pad.yaml': 'model: { name: resnet10, layer: partial }\ntraining: { epochs: 3 }\npartition: { ratio: 0.3 }\n',
  'static.yaml': 'model: { name: resnet10 }\ntraining: { epochs: 3, learningRate: 0.05 }\n',
};

/** @param held the recipes that hold training data out */
const plan = (text: string, held = Object.keys(recipes)): AblationPlan =>
  planAblation(parseAblation(text, 'ablation.yaml'), (file, overrides) => {
    const validation = held.includes(file) ? ['data.validation.fraction=0.1'] : [];
    return parseRecipe(recipes[file]!, file, [...validation, ...overrides]);
  });

const ablation = `recipe: pad.yaml
seeds: [1, 2]
references: [static.yaml]
arms: { none: { set: { partition.ratio: 0 } } }
sweeps: [{ partition.ratio: [0.3, 0.5] }]
tune: { training.learningRate: [0.05, 0.1] }
`;
const planned = plan(ablation);

/** @param scores by run's folder: validation and test score, or null where it diverged */
const resultsOf = (of: AblationPlan, scores: Readonly<Record<string, readonly [number, number] | null>>) => {
  const started: AblationResults = { plan: of, runs: [], failed: [], diverged: [] };
  const results = (runs: ReturnType<typeof ablationTries>): AblationResults => ({
    ...started,
    runs: runs.flatMap(({ name, cell, recipe }) => {
      const [validationScore, score] = scores[name] ?? [];
      return score === undefined
        ? []
        : [{ ...ablationRun(cell, score, { recipe }), validationScore: validationScore! }];
    }),
    diverged: runs.flatMap(({ name, cell }) => (scores[name] === null ? [{ ...cell, message: 'not finite' }] : [])),
  });
  const tries = ablationTries(of);
  const networks = tunedNetworks(results(tries))!;
  const runs = ablationRuns(of, chosenRecipes(of, networks));
  const known = new Set(tries.map(({ name }) => name));
  return { networks, runs, results: results([...tries, ...runs.filter(({ name }) => !known.has(name))]) };
};

describe('the tries', () => {
  it('are the same for every network, each recipe once', () => {
    expect(ablationTries(planned).map(({ name, isTry }) => [name, isTry])).toEqual(
      [
        'tune/training.learningRate=0.05-seed1',
        'tune/base-seed1',
        'tune/static-seed1',
        'tune/static,training.learningRate=0.1-seed1',
        'tune/none,training.learningRate=0.05-seed1',
        'tune/none-seed1',
        'tune/training.learningRate=0.05,partition.ratio=0.5-seed1',
        'tune/partition.ratio=0.5-seed1',
      ].map((name) => [name, true]),
    );
    const [first] = ablationTries(planned);
    expect(first!.recipe).toMatchObject({ training: { seed: 1, learningRate: 0.05 }, partition: { ratio: 0.3 } });
    const twice = ablationTries(plan(`${ablation}tuneSeeds: [5, 6]`));
    expect(twice.map(({ cell }) => cell.seed)).toEqual([...Array<number>(8).fill(5), ...Array<number>(8).fill(6)]);
  });

  it('are a grid of several keys', () => {
    const grid = plan(ablation.replace('[0.05, 0.1] }', '[0.05, 0.1], training.weightDecay: [0, 0.001] }'));
    expect(grid.tuning!.networks[0]!.tries.map(({ values }) => values)).toEqual([
      ['0.05', '0'],
      ['0.05', '0.001'],
      ['0.1', '0'],
      ['0.1', '0.001'],
    ]);
    expect(grid.tuning!.networks[1]!.tries[1]!.name).toBe(
      'static,training.learningRate=0.05,training.weightDecay=0.001',
    );
  });

  it('need validation data in every recipe', () => {
    expect(() => plan(ablation, ['pad.yaml'])).toThrow(
      'static.yaml: what is tuned is chosen on validation data, and static has none; give every recipe ' +
        'data.validation.fraction, such as by --set data.validation.fraction=0.1',
    );
    expect(() => plan(ablation, [])).toThrow(/^pad\.yaml: .* and base has none/);
    expect(plan(ablation.replace(/tune.*/, ''), []).tuning).toBeNull();
  });

  it('need epochs that are scored by them', () => {
    expect(() =>
      plan(ablation.replace('partition.ratio: 0 }', 'partition.ratio: 0, training.epochScore: test }')),
    ).toThrow(
      'pad.yaml: what is tuned is chosen on validation data, and the epochs of none are scored on the test data; ' +
        'give every recipe training.epochScore: validation, such as by --set training.epochScore=validation',
    );
  });

  it('are checked one by one, where what is tuned is validation itself', () => {
    const tuned = (values: string): AblationPlan => plan(ablation.replace(/tune: .*/, `tune: { ${values} }`));
    expect(() => tuned('training.epochScore: [validation, test]')).toThrow('are scored on the test data');
    expect(() => tuned('data.validation: [{ fraction: 0.2 }, null]')).toThrow('and base has none');
    expect(tuned('data.validation: [{ fraction: 0.2 }, { fraction: 0.3 }]').tuning!.networks).toHaveLength(4);
  });

  it('are told with their lines where a recipe does not take a value', () => {
    expect(() => plan(ablation.replace('0.05, 0.1', '0.05, -1'))).toThrow(
      /^ablation\.yaml:6: training\.learningRate: expected a number above 0, got -1$/,
    );
    expect(() => plan(ablation.replace('0.05, 0.1', '0.05, 5.0e-2'))).toThrow(
      /^ablation\.yaml:6: training\.learningRate=0\.05 is the same recipe as 0\.05 above$/,
    );
  });
});

describe('parseTuning', () => {
  it('takes YAML values with commas between', () => {
    const { key, values } = parseTuning('training.milestones=[1, 2],[3], null', '--tune');
    expect(key).toBe('training.milestones');
    expect(values.map(({ value }) => value)).toEqual([[1, 2], [3], null]);
    expect(values[0]!.label).toBe('--tune training.milestones=[1, 2],[3], null');
  });

  it.each([
    ['training.epochs', 'expected key=values, such as training.learningRate=0.02,0.05,0.1'],
    ['=3', 'expected key=values, such as training.learningRate=0.02,0.05,0.1'],
    ['training.epochs=', 'expected values with commas between'],
    ['training.seed=1,2', '`seeds` decides that for each run'],
    ['data.name=a,b', 'all runs of an ablation have the same task'],
  ])('%s', (text, message) => {
    expect(() => parseTuning(text, '--tune')).toThrow(`--tune ${text}: ${message}`);
  });

  it('says what is no YAML', () => {
    expect(() => parseTuning('training.epochs=[1', '--tune')).toThrow(
      /^--tune training\.epochs=\[1: not a list of YAML/,
    );
  });
});

const scores = {
  'tune/training.learningRate=0.05-seed1': [0.6, 0.5],
  'tune/base-seed1': [0.5, 0.9],
  'tune/static-seed1': [0.5, 0.4],
  'tune/static,training.learningRate=0.1-seed1': [0.5, 0.9],
  'tune/none,training.learningRate=0.05-seed1': null,
  'tune/none-seed1': [0.1, 0.1],
  'tune/training.learningRate=0.05,partition.ratio=0.5-seed1': null,
  'tune/partition.ratio=0.5-seed1': null,
  'training.learningRate=0.05-seed2': [0, 0.6],
  'static-seed2': [0, 0.55],
  'none-seed2': [0, 0.25],
  // A test score has no part in the choice, nor a run that was not chosen in the table.
  'base-seed2': [0, 1],
} as const;

describe('the choice', () => {
  const { networks, runs, results } = resultsOf(planned, scores);

  it('is by validation score: the first of equal ones, none that diverged, and nothing where all did', () => {
    expect(networks.map(({ variant, state, chosen }) => [variant, state, chosen?.values])).toEqual([
      ['base', 'chosen', ['0.05']],
      ['static', 'chosen', ['0.05']],
      ['none', 'chosen', ['0.1']],
      ['partition.ratio=0.5', 'failed', undefined],
    ]);
    expect(networks[2]!.tries).toEqual([
      { values: ['0.05'], variant: 'none,training.learningRate=0.05', scores: [], score: null, diverged: 'not finite' },
      { values: ['0.1'], variant: 'none', scores: [{ seed: 1, score: 0.1 }], score: 0.1, diverged: null },
    ]);
  });

  it('is trained with the other seeds, and the try itself is the run of its seed', () => {
    expect(runs.map(({ name }) => name)).toEqual([
      'tune/training.learningRate=0.05-seed1',
      'tune/static-seed1',
      'tune/none-seed1',
      'training.learningRate=0.05-seed2',
      'static-seed2',
      'none-seed2',
    ]);
    expect(runs[3]!.recipe.training).toMatchObject({ learningRate: 0.05, seed: 2 });
  });

  it('is what the table compares', () => {
    const { base, references, arms, sweeps, tuning } = ablationTable(results);
    expect(base).toMatchObject({ tuned: ['0.05'], scores: [{ score: 0.5 }, { score: 0.6 }], score: { count: 2 } });
    expect(references[0]).toMatchObject({
      tuned: ['0.05'],
      difference: { mean: expect.closeTo(-0.075, 12) as number },
    });
    expect(arms[0]!.difference).toMatchObject({ mean: expect.closeTo(-0.375, 12) as number, count: 2 });
    const [own, failed] = sweeps[0]!.rows;
    expect(own).toMatchObject({ variant: 'base', difference: null });
    expect(failed).toMatchObject({ tuned: null, score: null, failed: [1, 2], difference: null });
    expect(tuning).toMatchObject({ keys: ['training.learningRate'], seeds: [1], networks });
  });

  it('waits for all tries of a network, and compares nothing before', () => {
    const others = Object.entries(scores).filter(([name]) => name !== 'tune/base-seed1');
    const early = resultsOf(planned, Object.fromEntries(others));
    expect(early.networks.map(({ state }) => state)).toEqual(['open', 'chosen', 'chosen', 'failed']);
    expect(early.runs.map(({ cell }) => cell.variant)).toEqual(['static', 'none', 'static', 'none']);
    const { base, references } = ablationTable(early.results);
    expect(base).toMatchObject({ tuned: null, score: null, scores: [] });
    expect(references[0]).toMatchObject({ score: { count: 2 }, difference: null });
  });

  it('is by the mean over the seeds of the tuning, of which one that diverges counts for all', () => {
    const two = plan(ablation.replace('seeds: [1, 2]', 'seeds: [2]\ntuneSeeds: [7, 8]'));
    const {
      networks: chosen,
      runs: own,
      results: all,
    } = resultsOf(two, {
      'tune/training.learningRate=0.05-seed7': [0.9, 0.1],
      'tune/training.learningRate=0.05-seed8': [0.2, 0.2],
      'tune/base-seed7': [0.5, 0.3],
      'tune/base-seed8': [0.625, 0.4],
      'tune/static-seed7': [0.9, 0.9],
      'tune/static-seed8': null,
      'tune/static,training.learningRate=0.1-seed7': [0.1, 0.1],
      'tune/static,training.learningRate=0.1-seed8': [0.2, 0.1],
      'base-seed2': [0, 0.75],
    });
    expect(chosen[0]).toMatchObject({ chosen: { variant: 'base', score: 0.5625 } });
    expect(chosen[1]).toMatchObject({ chosen: { variant: 'static,training.learningRate=0.1' } });
    expect(chosen[2]!.state).toBe('open');
    expect(own.map(({ name }) => name)).toEqual(['base-seed2', 'static,training.learningRate=0.1-seed2']);
    // Seeds of the tuning alone are none of the table.
    expect(ablationTable(all).base.scores).toEqual([{ seed: 2, score: 0.75 }]);
  });

  it('needs validation scores', () => {
    const without = results.runs.map((run) => ({ ...run, validationScore: null }));
    expect(() => tunedNetworks({ ...results, runs: without })).toThrow(
      'runs/training.learningRate=0.05-seed1 has no validation score; delete the folder, and it is trained anew',
    );
    expect(tunedNetworks({ ...results, plan: { ...planned, tuning: null } })).toBeNull();
  });
});
