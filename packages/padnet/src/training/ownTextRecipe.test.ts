import { describe, expect, it } from 'vitest';
import { parseRecipe, serialiseRecipe } from '../recipe/loadRecipe.js';
import { textRecipeSchema } from '../recipe/recipe.js';

const head = 'modality: text\nmodel:\n  pretrained: encoder\n  layer: static\ntraining:\n  epochs: 1\ndata:\n';

function data(lines: string): unknown {
  return parseRecipe(head + lines, 'recipes/x.yaml').data;
}

function problems(lines: string): string[] {
  try {
    data(lines);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
}

describe('data of texts', () => {
  const common = { batchSize: 32, maxLength: 128, padding: 'longest', groupByLength: true };

  it('are of GLUE where nothing else is said, as recipes always had it', () => {
    expect(data('  task: rte\n')).toEqual({ name: 'glue', task: 'rte', ...common });
  });

  it('of files of one’s own have defaults that fit most', () => {
    expect(data('  name: text\n  path: reviews.csv\n')).toEqual({
      name: 'text',
      path: 'reviews.csv',
      textColumn: 'text',
      labelColumn: 'label',
      target: 'classes',
      metric: 'accuracy',
      ...common,
    });
    expect(data('  name: text\n  path: x\n  target: number\n')).toMatchObject({ target: 'number', metric: 'pearson' });
    expect(data('  name: text\n  path: x\n  classes: [0, 1, yes]\n  metric: [f1, accuracy]\n')).toMatchObject({
      classes: ['0', '1', 'yes'],
      metric: ['f1', 'accuracy'],
    });
  });

  it('are the same once written down', () => {
    const lines =
      '  name: text\n  train: a.csv\n  test: b.csv\n  classes: [no, 1, 2.5]\n  metric: [f1, macroF1]\n' +
      '  delimiter: ";"\n  columns: [a, text, label]\n';
    const recipe = parseRecipe(head + lines, 'x.yaml');
    expect(parseRecipe(serialiseRecipe(recipe), 'x.yaml')).toEqual(recipe);
    expect(textRecipeSchema.parse(recipe)).toEqual(recipe);
  });

  it.each([
    [
      '  path: x\n',
      ['recipes/x.yaml:7: data.task: missing; expected one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli'],
    ],
    ['  task: rte\n  textColumn: a\n', ['recipes/x.yaml:9: data.textColumn: is for data.name: text, it is glue']],
    ['  name: text\n  path: x\n  task: rte\n', ['recipes/x.yaml:10: data.task: is for data.name: glue, it is text']],
    [
      '  name: text\n  path: x\n  textColum: a\n',
      ['recipes/x.yaml:10: data.textColum: unknown key; did you mean data.textColumn?'],
    ],
    ['  name: txt\n', ['recipes/x.yaml:8: data.name: expected one of glue, text, got "txt"; did you mean text?']],
    [
      '  name: text\n  path: x\n  train: y\n',
      ['recipes/x.yaml:10: data.train: data.path says what is trained on already; give one of the two'],
    ],
    [
      '  name: text\n  path: x\n  test: y\n  splitSeed: 1\n',
      ['recipes/x.yaml:11: data.splitSeed: nothing is split, since data.test is tested on; remove the key'],
    ],
    [
      '  name: text\n  path: x\n  testFraction: 1\n',
      ['recipes/x.yaml:10: data.testFraction: expected a number above 0 and below 1, got 1'],
    ],
    [
      '  name: text\n  path: x\n  delimiter: "||"\n',
      ['recipes/x.yaml:10: data.delimiter: expected one character other than a quote, got "||"'],
    ],
    [
      '  name: text\n  path: x\n  format: jsonl\n  columns: [text, label]\n',
      ['recipes/x.yaml:11: data.columns: is for tables with columns, and data.format is jsonl'],
    ],
    [
      '  name: text\n  path: x\n  metric: pearson\n',
      ['recipes/x.yaml:10: data.metric: pearson is of numbers, and data.target is classes'],
    ],
    [
      '  name: text\n  path: x\n  target: number\n  metric: [pearson, f1]\n',
      ['recipes/x.yaml:11: data.metric: f1 is of classes, and data.target is number'],
    ],
    ['  name: text\n  path: x\n  metric: [f1, f1]\n', ['recipes/x.yaml:10: data.metric: f1 is there twice']],
    [
      '  name: text\n  path: x\n  metric: bleu\n',
      [/recipes\/x\.yaml:10: data\.metric: expected .*accuracy, f1, macroF1, matthews, .*, got "bleu"/],
    ],
    [
      '  name: text\n  path: x\n  target: number\n  classes: [1, 2]\n',
      ['recipes/x.yaml:11: data.classes: is for classes, and data.target is number'],
    ],
    ['  name: text\n  path: x\n  classes: [1, "1"]\n', ['recipes/x.yaml:10: data.classes: 1 is there twice']],
    [
      '  name: text\n  path: x\n  columns: [text, label, label]\n',
      ['recipes/x.yaml:10: data.columns: label is there twice'],
    ],
    [
      '  name: text\n  path: x\n  columns: [a, label]\n',
      ['recipes/x.yaml:10: data.columns: expected text among them, which data.textColumn is'],
    ],
    [
      '  name: text\n  path: x\n  textColumn: label\n',
      ['recipes/x.yaml:10: data.textColumn: label is data.labelColumn, too; expected another column'],
    ],
    [
      '  name: text\n  path: x\n  secondColumn: text\n',
      ['recipes/x.yaml:10: data.secondColumn: text is data.textColumn, too; expected another column'],
    ],
  ])('%j', (lines, expected) => {
    const found = problems(lines);
    expect(found).toHaveLength(expected.length);
    for (const [index, each] of expected.entries())
      expect(found[index]).toEqual(typeof each === 'string' ? each : expect.stringMatching(each));
  });
});
