import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseAblation } from './ablation.js';
import { ablationRuns, planAblation, type AblationPlan } from './ablationPlan.js';
import { parseRecipe } from '../recipe/loadRecipe.js';

const recipes: Readonly<Record<string, string>> = {
  'recipes/pad.yaml': `
model: { name: resnet10, layer: partial }
training: { epochs: 3 }
partition: { ratio: 0.3, epoch: 1 }
`,
  'recipes/static.yaml': `
model: { name: resnet10 }
training: { epochs: 3 }
`,
  'recipes/rte.yaml': `
modality: text
model: { pretrained: encoder }
data: { task: rte }
training: { epochs: 3 }
`,
};

const plan = (text: string): AblationPlan =>
  planAblation(parseAblation(text, 'recipes/ablation.yaml'), (file, overrides) =>
    parseRecipe(recipes[file]!, file, overrides),
  );

function messageOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected an error');
}

const names = ({ variants }: AblationPlan): string[] => variants.map(({ name }) => name);

describe('planAblation', () => {
  it('has every recipe once, the base and the references first', () => {
    const planned = plan(`
recipe: pad.yaml
seeds: [3, 1]
references: [static.yaml]
sweeps:
  - partition.ratio: [0.1, 0.3, 5.0e-1]
  - partition.granularity: [filter, entry]
    partition.ratio: [0.1, 0.3]
`);
    expect(names(planned)).toEqual([
      'base',
      'static',
      'partition.ratio=0.1',
      'partition.ratio=0.5',
      'partition.ratio=0.1,partition.granularity=filter',
      'partition.granularity=filter',
    ]);
    expect(planned.references).toEqual([{ name: 'static', variant: 'static' }]);
    expect(planned.sweeps).toEqual([
      {
        keys: ['partition.ratio'],
        points: [
          { values: ['0.1'], variant: 'partition.ratio=0.1' },
          { values: ['0.3'], variant: 'base' },
          { values: ['0.5'], variant: 'partition.ratio=0.5' },
        ],
      },
      {
        keys: ['partition.granularity', 'partition.ratio'],
        points: [
          { values: ['filter', '0.1'], variant: 'partition.ratio=0.1,partition.granularity=filter' },
          { values: ['filter', '0.3'], variant: 'partition.granularity=filter' },
          { values: ['entry', '0.1'], variant: 'partition.ratio=0.1' },
          { values: ['entry', '0.3'], variant: 'base' },
        ],
      },
    ]);
    const runs = ablationRuns(planned);
    expect(runs.slice(0, 3).map(({ name }) => name)).toEqual([
      'base-seed3',
      'static-seed3',
      'partition.ratio=0.1-seed3',
    ]);
    expect(runs[2]).toMatchObject({ cell: { seed: 3 }, recipe: { training: { seed: 3 }, partition: { ratio: 0.1 } } });
    expect(runs.slice(6).map(({ cell }) => cell.seed)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('names a recipe by what is different, however it is written, and a reference that is the base by the base', () => {
    const { variants, references, sweeps } = plan(`
recipe: pad.yaml
references: [pad.yaml]
sweeps:
  - training.temperature: [{ start: 5 }, { start: 30, end: 1 }]
  - training.temperature.start: [5, null]
`);
    expect(variants.map(({ name }) => name)).toEqual(['base', 'training.temperature.start=5']);
    expect(references).toEqual([{ name: 'pad', variant: 'base' }]);
    expect(sweeps.map(({ points }) => points.map(({ variant }) => variant))).toEqual([
      ['training.temperature.start=5', 'base'],
      ['training.temperature.start=5', 'base'],
    ]);
  });

  it('varies the kind of layers, by its former names too', () => {
    const planned = plan('recipe: static.yaml\nsweeps: [{ model.layer: [static, dyconv] }]\n');
    expect(names(planned)).toEqual(['base', 'model.layer=dynamic']);
    expect(planned.variants.map(({ recipe }) => recipe.model.layer)).toEqual(['static', 'dynamic']);
  });

  it('has arms: recipes with values of their own for some keys', () => {
    const planned = plan(`
recipe: pad.yaml
difference: 0.5
references: [static.yaml]
arms:
  static, slow: { recipe: static.yaml, set: { training.learningRate: 0.01 } }
  κ = 0: { set: { partition.ratio: 0 } }
  dynamic: { set: { model.layer: dynamic, partition: null } }
sweeps: [{ partition.ratio: [0, 0.1] }]
`);
    const [slow, none] = planned.arms;
    expect(planned.difference).toBe(0.005);
    expect(planned.arms.map(({ name }) => name)).toEqual(['static, slow', 'κ = 0', 'dynamic']);
    expect(slow!.variant).toMatch(/^static,_slow-[0-9a-f]{8}$/);
    expect(planned.variants.map(({ recipe }) => [recipe.model.layer, recipe.training.learningRate])).toEqual([
      ['partial', 0.1],
      ['static', 0.1],
      ['static', 0.01],
      ['partial', 0.1],
      ['dynamic', 0.1],
      ['partial', 0.1],
    ]);
    // A sweep's recipe that is an arm's is that arm.
    expect(planned.sweeps[0]!.points[0]!.variant).toBe(none!.variant);
    expect(plan('recipe: pad.yaml\narms: { none: { set: { partition.ratio: 0 } } }').sweeps).toEqual([]);
  });

  it('gives no two recipes one name, also where cases are not told apart', () => {
    const planned = plan(`
recipe: pad.yaml
arms:
  partition.ratio=0: { set: { partition.ratio: 0.2 } }
  slow: { set: { training.learningRate: 0.01 } }
  Slow: { set: { training.learningRate: 0.02 } }
sweeps: [{ partition.ratio: [0, 0.2] }]
`);
    const [arm, slow, other] = planned.arms.map(({ variant }) => variant);
    expect(arm).toBe('partition.ratio=0');
    const [none, same] = planned.sweeps[0]!.points;
    expect(none!.variant).toMatch(/^partition\.ratio=0-[0-9a-f]{8}$/);
    expect(same!.variant).toBe(arm);
    expect(slow).toBe('slow');
    expect(other).toMatch(/^Slow-[0-9a-f]{8}$/);
    const ratios = new Map(planned.variants.map(({ name, recipe }) => [name, recipe.partition!.ratio]));
    expect([ratios.get(arm!), ratios.get(none!.variant)]).toEqual([0.2, 0]);
  });

  it('gives folders names that any file system takes', () => {
    const planned = plan(`
recipe: pad.yaml
sweeps: [{ data.path: [../a/b, ../a_b] }, { training.milestones: [[1, 2]] }]
`);
    const [, ...own] = names(planned);
    expect(own).toHaveLength(3);
    expect(new Set(own).size).toBe(3);
    for (const name of own) expect(name).toMatch(/^[\w.,=-]+-[0-9a-f]{8}$/);
    expect(own[0]).toMatch(/^data\.path=\.\._a_b-/);
  });
});

const head = 'recipe: pad.yaml\n';
const sections = 'recipe, seeds, difference, references, arms, sweeps, tune, tuneSeeds';

describe('what is wrong is told with file, line and key', () => {
  it.each([
    ['', [`1: expected a section with ${sections}, got nothing`]],
    ['sweep: [{ partition.ratio: [0.1] }]', ['2: sweep: unknown key; did you mean sweeps?']],
    ['sweeps: [{ partition.ratio: [0.1] }]\ncolour: red', [`3: colour: unknown key; an ablation has ${sections}`]],
    ['sweeps: []', ['2: sweeps: expected at least one, such as `partition.ratio: [0.1, 0.3]`, or arms']],
    ['seeds: []\nsweeps: [{ partition.ratio: [0.1] }]', ['2: seeds: expected at least one']],
    ['seeds: [1,\n 2, 1]\nsweeps: [{ partition.ratio: [0.1] }]', ['3: seeds[2]: 1 is there already']],
    [
      'seeds: [-1]\nsweeps: [{ partition.ratio: [0.1] }]',
      ['2: seeds[0]: expected a whole number of at least 0, got -1'],
    ],
    ['sweeps:\n  - partition.ratio', ['3: sweeps[0]: expected a section, got "partition.ratio"']],
    [
      'sweeps:\n  - {}',
      ['3: sweeps[0]: expected one key, such as `partition.ratio: [0.1, 0.3]`, or two for a grid, got 0'],
    ],
    ['sweeps:\n  - a: [1]\n    b: [1]\n    c: [1]', [/3: sweeps\[0\]: expected one key, .*, or two for a grid, got 3/]],
    ['sweeps:\n  - partition.ratio: []', ['3: sweeps[0].partition.ratio: expected a list of values']],
    ['sweeps:\n  - partition.ratio: 0.1', ['3: sweeps[0].partition.ratio: expected a list of values']],
    ['references: &a [*a]', ['2: references[0]: *a lies in the value that it stands for; write the value out']],
    ['sweeps:\n  - training.seed: [1]', ['3: sweeps[0].training.seed: `seeds` decides that for each run']],
    [
      'sweeps:\n  - partition.ratio: [1]\n    partition.ratio: [2]',
      ['4: sweeps[0].partition.ratio: it is there twice; remove one of them'],
    ],
    [
      'sweeps:\n  - partition.ratio: [0.1]\n  - partition.ratio: [0.2]',
      ['4: sweeps[1]: the same keys are swept above; put the values together'],
    ],
    [
      'references: [static.yaml, old/static.yml]\nsweeps: [{ partition.ratio: [0.1] }]',
      ['2: references[1]: there is another recipe of the name static'],
    ],
    [
      'references: [base.yaml]\nsweeps: [{ partition.ratio: [0.1] }]',
      ['2: references[0]: base is what the recipe that is varied is called'],
    ],
    [
      'arms: { base: { recipe: static.yaml }, static: { recipe: static.yaml } }\nreferences: [static.yaml]',
      [
        '2: arms.base: base is what the recipe that is varied is called',
        '2: arms.static: there is a reference of that name',
      ],
    ],
    [
      'arms:\n  one: {}\n  two:\n    set: { training.seed: 3 }',
      [
        '3: arms.one: expected recipe, set or both, such as `set: { partition.ratio: 0 }`',
        '5: arms.two.set.training.seed: `seeds` decides that for each run',
      ],
    ],
    [
      'arms:\n  one: { set: { partition.ratio: 0.1 } }\n  two: { set: { partition.ratio: 1.0e-1 } }',
      ['4: two is the same recipe as one above'],
    ],
    [
      'arms:\n  one:\n    set:\n      partition.ratio: 2\n      partition.round: 3',
      ['6: partition.round: unknown key; did you mean partition.rounds?'],
    ],
    [
      'arms:\n  one:\n    set: { partition: null }',
      ['4: partition: model.layer is partial, so partition.ratio is needed'],
    ],
    [
      'difference: 0\nsweeps: [{ partition.ratio: [0.1] }]',
      ['2: difference: expected a number above 0 and at most 100, got 0'],
    ],
    [
      'tune: { training.learningRate: 0.1 }\nsweeps: [{ partition.ratio: [0.1] }]',
      ['2: tune.training.learningRate: expected a list of values'],
    ],
    ['tuneSeeds: []\nsweeps: [{ partition.ratio: [0.1] }]', ['2: tuneSeeds: expected at least one']],
    [
      'tune: { partition.ratio: [0.1, 0.2], training.epochs: [3, 4] }\nsweeps: [{ partition.ratio: [0.1] }]\n' +
        'arms: { long: { set: { training: { epochs: 5 } } } }',
      [
        '2: partition.ratio is tuned, and recipes/ablation.yaml:3 sets partition.ratio; take one away',
        '2: training.epochs is tuned, and recipes/ablation.yaml:4 sets training; take one away',
      ],
    ],
    // What the recipe says of keys and values.
    [
      'sweeps:\n  - partition.ration:\n    - 0.1\n    - 0.2',
      [
        '4: partition.ration: unknown key; did you mean partition.ratio?',
        '5: partition.ration: unknown key; did you mean partition.ratio?',
      ],
    ],
    ['sweeps:\n  - partition.ratio: [0.1, 1.3]', ['3: partition.ratio: expected a number from 0 to 1, got 1.3']],
    [
      'sweeps:\n  - partition.ratio: [.nan, .inf]\n  - training.milestones: [[1, .nan]]',
      [
        '3: partition.ratio: expected a number from 0 to 1, got NaN',
        '3: partition.ratio: expected a number from 0 to 1, got Infinity',
        '4: training.milestones[1]: expected a number of at least 0, got NaN',
      ],
    ],
    [
      'sweeps:\n  - partition.saliency:\n    - random\n    - randm\n  - partition.rounds: [0]',
      [
        /5: partition\.saliency: expected one of .*, got "randm"; did you mean random\?/,
        /6: partition\.rounds: .*got 0/,
      ],
    ],
    [
      'sweeps:\n  - partition.ratio: [0.1]\n    partition.scope:\n      - locl',
      [/5: partition\.scope: expected one of global, local, got "locl"; did you mean local\?/],
    ],
    ['sweeps:\n  - partition.ratio: [0.1,\n      1.0e-1]', ['4: partition.ratio=0.1 is the same recipe as 0.1 above']],
    [
      'sweeps:\n  - training.epochs: [1]',
      [/ablation\.yaml:3: training\.epochs: expected more than 1, the epoch after which .* is partitioned, got 1;/],
    ],
  ])('%j', (text, expected) => {
    const problems = messageOf(() => plan(text === '' ? '' : head + text)).split('\n');
    expect(problems).toHaveLength(expected.length);
    expected.forEach((problem, index) => {
      if (typeof problem === 'string') expect(problems[index]).toBe(`recipes/ablation.yaml:${problem}`);
      else expect(problems[index]).toMatch(problem);
    });
  });

  it('a reference of another task', () => {
    expect(() => plan(`${head}references: [rte.yaml]\nsweeps: [{ partition.ratio: [0.1] }]`)).toThrow(
      'recipes/rte.yaml: expected a recipe of the same task as recipes/pad.yaml (fashionMnist)',
    );
  });
});

describe('the ablations that are shipped', () => {
  const recipes = new URL('../../recipes/', import.meta.url);
  const shipped = (name: string) => {
    const file = fileURLToPath(new URL(name, recipes));
    const text = readFileSync(file, 'utf8');
    const plan = planAblation(parseAblation(text, file), (path, overrides) =>
      parseRecipe(readFileSync(path, 'utf8'), path, overrides),
    );
    return { text, ...plan };
  };

  it.each([
    ['fashion-mnist/ablation', 22, ['static', 'dyconv']],
    ['cifar10/ablation', 22, ['static', 'dyconv']],
    ['domains/ablation', 5, ['static', 'condconv']],
    ['domains/study', 12, []],
    ['studies/which-entries', 10, []],
    ['studies/which-units', 7, []],
    ['studies/routers', 12, ['static']],
    ['studies/routers-cifar10', 6, ['static']],
    ['studies/routers-cifar10-mobilenetV2', 6, ['mobilenetV2-static']],
    ['studies/text', 6, []],
  ])('%s has %i recipes', (name, count, names) => {
    const { text, variants, references, sweeps, seeds } = shipped(`${name}.yaml`);
    expect(variants).toHaveLength(count);
    expect(text).toContain(`${count} recipes × ${seeds.length} seeds`);
    expect(references.map((reference) => reference.name)).toEqual(names);
    // Each has the base to compare with.
    for (const { points } of sweeps) expect(points.map(({ variant }) => variant)).toContain('base');
  });

  it.each(readdirSync(new URL('studies/', recipes)).filter((name) => name.startsWith('fair-')))(
    '%s gives every network the same tries',
    (name) => {
      const { text, variants, arms, seeds, difference, tuning } = shipped(`studies/${name}`);
      expect(difference).toBe(0.005);
      expect(arms).toHaveLength(4);
      expect(tuning!.networks.map(({ tries }) => tries.length)).toEqual(variants.map(() => 4));
      expect(text).toContain(`${variants.length * (4 + seeds.length)} runs`);
    },
  );
});
