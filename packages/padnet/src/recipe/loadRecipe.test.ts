import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { parseRecipe, parseRunRecipe, RecipeError, serialiseRecipe } from './loadRecipe.js';

const minimal = `
model:
  name: resnet10
training:
  epochs: 3
`;

const pad = `
model: { name: resnet18, layer: partial }
training:
  epochs: 3
partition:
  ratio: 0.3
`;

function problems(text: string, sets: string[] = []): string[] {
  try {
    parseRecipe(text, 'recipes/x.yaml', sets);
  } catch (error) {
    if (error instanceof RecipeError) return error.message.split('\n');
    throw error;
  }
  throw new Error('the recipe was accepted');
}

const noKey = 'expected the name of a key before the colon; put a name that YAML takes for something else in quotes';
const tooDeep = 'expected at most 32 lists and sections within one another, there are more';

describe('parseRecipe', () => {
  it('fills in defaults', () => {
    const recipe = parseRecipe(minimal, 'x.yaml');
    expect(recipe.model).toMatchObject({ name: 'resnet10', layer: 'static', numKernels: 4 });
    expect(recipe.training).toMatchObject({ epochs: 3, seed: 1, temperature: { start: 30, end: 1, epochs: 10 } });
    expect(recipe.partition).toBeUndefined();
  });

  it('reads kinds of layers by their former names, tells where they are, and writes the new ones', () => {
    const older = pad.replace('partial', 'pad');
    const told: string[] = [];
    const onRemark = (text: string): void => {
      told.push(text);
    };
    const recipe = parseRecipe(older, 'x.yaml', [], { onRemark });
    expect(recipe).toEqual(parseRecipe(pad, 'y.yaml', [], { onRemark }));
    expect(serialiseRecipe(recipe)).toContain('layer: partial\n');
    expect(parseRecipe(pad, 'x.yaml', ['model.layer=dyconv', 'partition=null'], { onRemark }).model.layer).toBe(
      'dynamic',
    );
    parseRecipe(older, 'x.yaml', ['model.layer=partial'], { onRemark });
    expect(told).toEqual([
      'x.yaml:2: model.layer: pad is called partial now',
      '--set model.layer=dyconv: model.layer: dyconv is called dynamic now',
    ]);
    expect(parseRunRecipe(older, 'x.yaml').model.layer).toBe('partial');
    const program = 'modality: program\nmodel: { name: x, layer: moe }\ndata: { name: y }\ntraining: { epochs: 1 }\n';
    expect(parseRunRecipe(program, 'x.yaml').model.layer).toBe('dynamic');
  });

  it('lets a run of before choose by the test data, and no new one unless it says so', () => {
    const stopping = `${minimal}\n  earlyStopping: { patience: 2 }`;
    expect(parseRunRecipe(stopping, 'x.yaml').training).toMatchObject({ epochScore: 'test' });
    expect(parseRunRecipe(minimal, 'x.yaml').training).toMatchObject({ epochScore: 'validation' });
    expect(problems(stopping)).toEqual([
      'recipes/x.yaml:7: training.earlyStopping: the best epoch is chosen by data that are held out: ' +
        'expected data.validation.fraction, such as 0.1',
    ]);
    expect(parseRecipe(stopping, 'x.yaml', ['training.epochScore=test']).training.epochScore).toBe('test');
    const held = parseRecipe(stopping, 'x.yaml', ['data.validation={}']);
    expect(held.data.validation).toEqual({ fraction: 0.1, seed: 1 });
    expect(parseRunRecipe(serialiseRecipe(held), 'x.yaml')).toEqual(held);
  });

  it('puts --set over the file, the later over the earlier, with values as YAML', () => {
    const recipe = parseRecipe(pad, 'x.yaml', [
      'training.epochs=4',
      'training.epochs=5',
      'training.milestones=[2, 4]',
      'training.temperature.start=10',
      'training.nesterov=false',
      'data.path=my pictures',
      'partition.ratio=1e-1',
      'model.bankInitialisation=copies',
    ]);
    expect(recipe.training).toMatchObject({ epochs: 5, milestones: [2, 4], nesterov: false });
    expect(recipe.training).toMatchObject({ temperature: { start: 10, end: 1, epochs: 10 } });
    expect(recipe.data.path).toBe('my pictures');
    expect(recipe.partition?.ratio).toBe(0.1);
    expect(recipe.model).toMatchObject({ bankInitialisation: 'copies' });
  });

  it('takes a key away with null', () => {
    const recipe = parseRecipe(pad, 'x.yaml', ['partition=null', 'model.layer=static']);
    expect(recipe.partition).toBeUndefined();
  });

  it.each(['&a', '*a', '{ a: &b }'])('takes no mark of YAML for text, nor for nothing: %s', (value) => {
    const set = `data.path=${value}`;
    const expected = value.startsWith('*')
      ? /^--set data\.path=\*a: data\.path: not a YAML value: /
      : `--set ${set}: data.path: not a YAML value: text that begins with & or * is not taken as it is; ` +
        'put it in quotes';
    expect(() => parseRecipe(minimal, 'x.yaml', [set])).toThrow(expected);
  });

  it.each([
    // keys
    [
      minimal.replace('epochs', 'epoch'),
      ['recipes/x.yaml:5: training.epoch: unknown key; did you mean training.epochs?'],
    ],
    [`epochs: 3${minimal}`, ['recipes/x.yaml:1: epochs: unknown key; did you mean training.epochs?']],
    [
      `${minimal}colour: red`,
      ['recipes/x.yaml:6: colour: unknown key; a recipe has modality, model, data, training, partition'],
    ],
    [
      `${minimal}  temperature:\n    stop: 3`,
      ['recipes/x.yaml:7: training.temperature.stop: unknown key; training.temperature has start, end, epochs'],
    ],
    [
      `${minimal}__proto__: { x: 1 }`,
      ['recipes/x.yaml:6: __proto__: unknown key; a recipe has modality, model, data, training, partition'],
    ],
    [minimal.replace('name', 'Names'), ['recipes/x.yaml:3: model.Names: unknown key; did you mean model.name?']],
    [
      'model: { name: resnet10 }',
      [
        'recipes/x.yaml:1: training: missing; ' +
          'expected a section with epochs, seed, optimizer, learningRate, momentum, nesterov, weightDecay, schedule, ' +
          'warmupEpochs, scheduleStart, milestones, gamma, clipGradNorm, accumulation, ema, temperature, bankFactor, ' +
          'routerFactor, checkpointSteps, epochScore, earlyStopping, distributed, labelSmoothing, mixup, cutmix, ' +
          'autocast',
      ],
    ],
    [
      'model: { name: resnet10 }\ntraining:\n  seed: 2',
      ['recipes/x.yaml:2: training.epochs: missing; expected a whole number of at least 1'],
    ],
    // values
    [pad.replace('0.3', '1.3'), ['recipes/x.yaml:6: partition.ratio: expected a number from 0 to 1, got 1.3']],
    [pad.replace('0.3', '-0.1'), ['recipes/x.yaml:6: partition.ratio: expected a number from 0 to 1, got -0.1']],
    [pad.replace('0.3', '.nan'), ['recipes/x.yaml:6: partition.ratio: expected a number from 0 to 1, got NaN']],
    [pad.replace('0.3', ''), ['recipes/x.yaml:6: partition.ratio: expected a number from 0 to 1, got nothing']],
    [`${pad}  rounds: 0`, ['recipes/x.yaml:7: partition.rounds: expected a whole number from 1 to 1000, got 0']],
    [
      minimal.replace('resnet10', 'resnet17'),
      [
        'recipes/x.yaml:3: model.name: expected one of resnet10, resnet18, resnet34, resnet50, resnet101, ' +
          'mobilenetV2, got "resnet17"; did you mean resnet10?',
      ],
    ],
    [
      `${minimal}  optimizer: lion-with-a-mane`,
      ['recipes/x.yaml:6: training.optimizer: expected one of sgd, adamw, got "lion-with-a-mane"'],
    ],
    [
      minimal.replace('3', '2.5'),
      ['recipes/x.yaml:5: training.epochs: expected a whole number of at least 1, got 2.5'],
    ],
    [
      minimal.replace('3', 'three'),
      ['recipes/x.yaml:5: training.epochs: expected a whole number of at least 1, got "three"'],
    ],
    [
      minimal.replace('3', '[3]'),
      ['recipes/x.yaml:5: training.epochs: expected a whole number of at least 1, got [3]'],
    ],
    [`${minimal}  nesterov: yes`, ['recipes/x.yaml:6: training.nesterov: expected true or false, got "yes"']],
    [`${minimal}  learningRate: 0`, ['recipes/x.yaml:6: training.learningRate: expected a number above 0, got 0']],
    [
      `${minimal}  bankFactor: kernels`,
      [
        'recipes/x.yaml:6: training.bankFactor: expected one of effective, numKernels or a number above 0, ' +
          'got "kernels"',
      ],
    ],
    [
      `${minimal}  milestones:\n    - 1\n    - -2`,
      ['recipes/x.yaml:8: training.milestones[1]: expected a number of at least 0, got -2'],
    ],
    [
      `${minimal}data: fashionMnist`,
      [
        'recipes/x.yaml:6: data: expected a section with name, path, trainLimit, testLimit, validation, ' +
          'testFraction, splitSeed, size, classIndex, onBadPicture, randomResizedCrop, domains, batchSize, ' +
          'randomCrop, randomFlip, colorJitter, randAugment, randomErasing, numWorkers, got "fashionMnist"',
      ],
    ],
    [
      `${minimal}data:\n  name: imageFolder\n  domains: {}`,
      [
        'recipes/x.yaml:8: data.domains: is for pictures in memory (fashionMnist, cifar10, cifar100, idx), ' +
          'data.name is imageFolder',
      ],
    ],
    [
      `${minimal}data:\n  randomErasing:\n    scale: [0.4, 0.2]`,
      ['recipes/x.yaml:7: data.randomErasing: expected [from, to] in ascending order, scale of 1 at most'],
    ],
    [
      `${minimal}data:\n  randAugment:\n    magnitude: 31`,
      ['recipes/x.yaml:8: data.randAugment.magnitude: expected a whole number from 0 to 30, got 31'],
    ],
    [
      `${minimal}data:\n  numWorkers: 65`,
      ['recipes/x.yaml:7: data.numWorkers: expected a whole number from 0 to 64, got 65'],
    ],
    // keys that depend on each other
    [
      minimal.replace('resnet10', 'resnet10\n  layer: partial'),
      ['recipes/x.yaml:2: partition: model.layer is partial, so partition.ratio is needed'],
    ],
    [
      `${minimal}partition: { ratio: 0.3 }`,
      ['recipes/x.yaml:6: partition: only a network with model.layer: partial can be partitioned, it is static'],
    ],
    [
      `${pad}  epoch: 4`,
      [
        'recipes/x.yaml:7: partition.epoch: expected less than training.epochs (3), ' +
          'so that the masks are trained with, got 4',
      ],
    ],
    // several at once, from top to bottom
    [
      'training: { epochs: 0 }\nmodel: { name: resnet10, layers: partial }',
      [
        'recipes/x.yaml:1: training.epochs: expected a whole number of at least 1, got 0',
        'recipes/x.yaml:2: model.layers: unknown key; did you mean model.layer?',
      ],
    ],
    // of no kind: nothing else can be said of it
    [
      'modality: txt\nmodel: { pretrained: x }\n',
      ['recipes/x.yaml:1: modality: expected one of image, text, got "txt"; did you mean text?'],
    ],
    // not a recipe at all
    ['', ['recipes/x.yaml:1: expected a section with modality, model, data, training, partition, got nothing']],
    ['- 1', ['recipes/x.yaml:1: expected a section with modality, model, data, training, partition, got [1]']],
    ['null: x', [`recipes/x.yaml:1: null: ${noKey}`]],
    ['? [a]\n: x', [`recipes/x.yaml:1: ${noKey}`]],
    ['model:\n  ? {a: 1}\n  : x', [`recipes/x.yaml:2: model: ${noKey}`]],
    // no YAML, or more than a recipe needs
    [`${minimal}training: { epochs: 4 }`, ['recipes/x.yaml:6: training: it is there twice; remove one of them']],
    [`${minimal}  epochs: 4`, ['recipes/x.yaml:6: training.epochs: it is there twice; remove one of them']],
    ['model: [\n', ['recipes/x.yaml:2: model: expected a closing ], found none']],
    ['model: "x', ['recipes/x.yaml:1: model: expected a closing ", found none']],
    [
      `${minimal}---\nmodel: 1`,
      ['recipes/x.yaml:6: a line of --- begins a second document; expected one, put the other into a file of its own'],
    ],
    ['modality image\nmodel: 1', ['recipes/x.yaml:1: expected a colon after the name of a key, such as `epochs: 3`']],
    ['model:\n\tname: x', ['recipes/x.yaml:2: model: it is indented by a tab; use spaces']],
    ['data: !x', ['recipes/x.yaml:1: data: text that begins with ! is not taken as it is; put it in quotes']],
    ['data: @x', ['recipes/x.yaml:1: data: "@" is not expected here; put text in quotes that begins with a sign']],
    ['a: *b', ['recipes/x.yaml:1: a: *b stands for no value; mark one before it by &b']],
    [
      'model: &m\n  name: *m',
      ['recipes/x.yaml:2: model.name: *m lies in the value that it stands for; write the value out'],
    ],
    [
      `a: &a [${'1,'.repeat(10)}]\nb: &b [${'*a,'.repeat(10)}]\nc: [${'*b,'.repeat(10)}]`,
      ['recipes/x.yaml:1: a: its aliases stand for more than 100 values; write the values out'],
    ],
    ...[40, 5000].map((depth): [string, string[]] => [
      `\na: ${'['.repeat(depth)}`,
      [`recipes/x.yaml:2: a[0][0][0]: ${depth < 100 ? 'expected a closing ], found none' : tooDeep}`],
    ]),
    [`a: ${'['.repeat(40)}${']'.repeat(40)}`, [`recipes/x.yaml:1: a[0][0][0]: ${tooDeep}`]],
  ])('%j', (text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it.each([
    ['training.epoch=3', '--set training.epoch=3: training.epoch: unknown key; did you mean training.epochs?'],
    ['modality=texts', '--set modality=texts: modality: expected one of image, text, got "texts"; did you mean text?'],
    ['training.epochs=0', '--set training.epochs=0: training.epochs: expected a whole number of at least 1, got 0'],
    [
      'training.epochs.x=0',
      '--set training.epochs.x=0: training.epochs.x: unknown key; training.epochs is a whole number of at least 1',
    ],
    ['modle.name=resnet18', '--set modle.name=resnet18: modle: unknown key; did you mean model?'],
    [
      'model.name=mobilenet',
      '--set model.name=mobilenet: model.name: expected one of resnet10, resnet18, resnet34, resnet50, resnet101, ' +
        'mobilenetV2, got "mobilenet"; did you mean mobilenetV2?',
    ],
    ['training.epochs', '--set training.epochs: expected key=value, such as training.epochs=5'],
    ['=3', '--set =3: expected key=value, such as training.epochs=5'],
    [
      'training.milestones=[1',
      '--set training.milestones=[1: training.milestones: not a YAML value: expected a closing ], found none',
    ],
    ...['%', '!'].map((sign): [string, string] => [
      `data.path=${sign}a`,
      `--set data.path=${sign}a: data.path: not a YAML value: text that begins with ${sign} is not taken as it is; ` +
        'put it in quotes',
    ]),
    ...['data.path', 'data.classIndex', 'model.pretrained'].map((key): [string, string] => [
      `${key}=[]`,
      `--set ${key}=[]: ${key}: expected text that is not empty, got []`,
    ]),
    ['.epochs=1', '--set .epochs=1: "": unknown key; a recipe has modality, model, data, training, partition'],
    [
      '__proto__.x=2',
      '--set __proto__.x=2: __proto__: unknown key; a recipe has modality, model, data, training, partition',
    ],
  ])('--set %s', (set, expected) => {
    expect(problems(minimal, [set])).toEqual([expected]);
  });

  it('blames an override for what it makes of the other keys', () => {
    expect(problems(minimal, ['partition.ratio=0.5'])).toEqual([
      '--set partition.ratio=0.5: partition: only a network with model.layer: partial can be partitioned, it is static',
    ]);
    expect(problems(pad, ['partition.ratio=2'])).toEqual([
      '--set partition.ratio=2: partition.ratio: expected a number from 0 to 1, got 2',
    ]);
  });

  it('says which override was wrong by its own label', () => {
    const override = { key: 'training.seed', value: '-1', label: '--seed -1' };
    expect(() => parseRecipe(minimal, 'x.yaml', [override])).toThrow(
      '--seed -1: training.seed: expected a whole number of at least 0, got -1',
    );
  });
});

describe('serialiseRecipe', () => {
  it.each([minimal, pad])('gives YAML of the same recipe', (text) => {
    const recipe = parseRecipe(text, 'x.yaml', ['data.path="a: b # c"', 'training.learningRate=1e-7']);
    expect(parseRecipe(serialiseRecipe(recipe), 'recipe.yaml')).toEqual(recipe);
  });
});

describe('the recipes that are shipped', () => {
  const folder = new URL('../../recipes/', import.meta.url);
  const data = {
    'fashion-mnist': 'fashionMnist',
    cifar10: 'cifar10',
    domains: 'fashionMnist',
    photos: 'imageFolder',
    imagenet: 'imageFolder',
    glue: 'glue',
    texts: 'text',
  };
  const recipes = Object.entries(data).flatMap(([name, source]) =>
    readdirSync(new URL(`${name}/`, folder))
      .filter((file) => !['ablation.yaml', 'study.yaml'].includes(file))
      .map((file) => [`${name}/${file}`, source] as const),
  );

  it('are of data that is told here', () => {
    expect(readdirSync(folder).sort()).toEqual([...Object.keys(data), 'studies'].sort()); // of ablations alone
  });

  it.each(recipes)('%s is valid', (name, source) => {
    const recipe = parseRecipe(readFileSync(new URL(name, folder), 'utf8'), name);
    expect(recipe.data.name).toBe(source);
  });

  it('for small photographs are twins but for what is compared', () => {
    const [ofStatic, ofPartial] = ['static', 'pad30'].map((kind) => {
      const name = `photos/small-${kind}.yaml`;
      return parseRecipe(readFileSync(new URL(name, folder), 'utf8'), name);
    });
    expect(ofPartial).toEqual({
      ...ofStatic,
      model: { ...ofStatic!.model, layer: 'partial' },
      // A fresh bank takes larger steps at the same rate.
      training: { ...ofStatic!.training, learningRate: 0.02 },
      partition: expect.objectContaining({ ratio: 0.3, epoch: 10 }) as object,
    });
  });

  it.each(recipes.filter(([name]) => name.startsWith('imagenet/')))('%s has the twins of its comment', (name) => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const twins = text.match(/--set [^;.]*/g) ?? [];
    const settings = (twin: string): string[] => twin.match(/[\w.]+=[\w.]+/g) ?? [];
    for (const layer of ['dynamic', 'static'])
      expect(parseRecipe(text, name, [`model.layer=${layer}`, 'partition=null']).model.layer).toBe(layer);
    expect(twins.flatMap(settings)).toContain('partition=null');
  });
});
