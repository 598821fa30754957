import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { loadOwnTexts, ownSubmission, type OwnTexts, type OwnTextsOptions } from './ownTexts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-own-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, content: string | Uint8Array): string {
  const file = join(folder, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  return file;
}

const defaults = { textColumn: 'text', labelColumn: 'label', target: 'classes', metrics: ['accuracy'] } as const;
const numbers = { target: 'number', metrics: ['pearson'] } as const;

function load(options: Partial<OwnTextsOptions>): OwnTexts {
  return loadOwnTexts({ ...defaults, ...options });
}

function refuse(options: Partial<OwnTextsOptions>, message: string | RegExp): void {
  expect(() => load(options)).toThrow(InputError);
  expect(() => load(options)).toThrow(message);
}

/** `count` rows of each label. */
function rows(labels: readonly string[], count: number): string[] {
  return labels.flatMap((label) => Array.from({ length: count }, (_, row) => `text ${row} of ${label},${label}`));
}

const csv = (lines: readonly string[]): string => `${['text,label', ...lines].join('\n')}\n`;

describe('files of three classes', () => {
  it('are trained on and tested on as a folder or two keys name them', () => {
    const train = csv(['one,neutral', '"two, too",pro', 'three,contra']);
    write('train.csv', train);
    write('dev.csv.gz', gzipSync(csv(['four,pro', 'five,pro'])));
    const folderTexts = load({ path: folder });
    expect(folderTexts.definition).toEqual({
      columns: { first: 'text', second: null, label: 'label' },
      labels: ['contra', 'neutral', 'pro'],
      classNames: ['contra', 'neutral', 'pro'],
      range: null,
      metrics: ['accuracy'],
    });
    expect(folderTexts.train).toEqual({
      name: 'train.csv',
      length: 3,
      first: ['one', 'two, too', 'three'],
      second: null,
      labels: Float32Array.of(1, 2, 0),
      classNames: ['contra', 'neutral', 'pro'],
    });
    expect(folderTexts.test).toMatchObject({
      name: 'dev.csv.gz',
      first: ['four', 'five'],
      labels: Float32Array.of(2, 2),
    });
    expect(folderTexts.split).toBeNull();
    const [a, b] = [write('a.csv', train), write('b.tsv', 'label\ttext\npro\tfour\npro\tfive\n')];
    expect(load({ train: a, test: b })).toMatchObject({
      train: { first: folderTexts.train.first },
      test: { name: 'b.tsv', first: ['four', 'five'], labels: Float32Array.of(2, 2) },
    });
    // A file of one's own takes the place of the folder's.
    expect(load({ path: folder, test: b }).test.name).toBe('b.tsv');
  });

  it('have columns of any name, a second text, and classes in an order of their own', () => {
    const lines = [
      '{"a": "x", "b": "y", "stars": 2}',
      '{"a": "z", "b": "w", "stars": 10}',
      '{"stars": 2, "b": "v", "a": "u"}',
    ];
    const path = write('train.jsonl', lines.join('\n'));
    const keys = { path, test: write('t.jsonl', lines[0]!), textColumn: 'a', secondColumn: 'b', labelColumn: 'stars' };
    const { train, definition } = load(keys);
    expect(train).toMatchObject({ first: ['x', 'z', 'u'], second: ['y', 'w', 'v'], labels: Float32Array.of(0, 1, 0) });
    expect(definition.classNames).toEqual(['2', '10']);
    expect(load({ ...keys, classes: ['10', '2'] })).toMatchObject({
      definition: { classNames: ['10', '2'] },
      train: { labels: Float32Array.of(1, 0, 1) },
    });
  });

  it('may have no header line, any delimiter, quotes or none, and any name', () => {
    const path = write('data.txt', 'pro|say "yes"\ncontra|say "no"\npro|5" long\ncontra|no');
    const table = { format: 'csv', delimiter: '|', quotes: false, columns: ['label', 'text'] } as const;
    const { train, test } = load({ path, ...table });
    expect([...train.first, ...test.first].sort()).toEqual(['5" long', 'no', 'say "no"', 'say "yes"']);
    refuse(
      { path },
      `${path}: expected a name that ends in .csv, .tsv, .jsonl (or with .gz); ` +
        'rename it, or say what it is with data.format',
    );
  });
});

describe('how a file is written', () => {
  const lines = rows(['a', 'b'], 4);
  const between = (delimiter: string): string => csv(lines).replaceAll(',', delimiter);
  const json = lines
    .map((line) => line.split(','))
    .map(([text, label]) => JSON.stringify({ text, label }))
    .join('\n');
  const files = (): Record<'semicolons' | 'commas' | 'tabs' | 'plain' | 'json', string> => ({
    semicolons: write('semicolons.csv', between(';')),
    commas: write('commas.csv', between(',')),
    tabs: write('tabs.tsv', between('\t')),
    plain: write('plain.txt', between(',')),
    json: write('lines.jsonl', json),
  });

  it('says its name, then its heading, then the recipe', () => {
    const { semicolons, commas, tabs, plain, json } = files();
    const tries: Partial<OwnTextsOptions>[] = [
      { path: plain, format: 'csv', test: json },
      { path: json, format: 'csv', test: plain },
      { path: semicolons, delimiter: ';', test: tabs },
      { path: semicolons, delimiter: ';', test: commas },
      { path: tabs, test: semicolons },
      { path: json, delimiter: ';', test: semicolons },
    ];
    const texts = lines.map((line) => line.slice(0, -2));
    for (const options of tries) {
      const { train, test } = load(options);
      expect([train.first, test.first], JSON.stringify(options)).toEqual([texts, texts]);
    }
    expect(load({ path: semicolons }).train.length).toBe(6);
  });

  it('is not said in vain', () => {
    const { commas, json } = files();
    refuse(
      { path: commas, format: 'tsv' },
      `data.format: ${commas} is csv by its name, not tsv; remove the key, or rename it`,
    );
    for (const [key, value] of Object.entries({ delimiter: ';', quotes: false, columns: ['text', 'label'] })) {
      refuse(
        { path: json, [key]: value },
        `data.${key}: is for tables with columns, and ${json} has JSON lines; remove the key`,
      );
    }
  });

  it('has no heading where columns are named', () => {
    const { commas } = files();
    const path = write('headless.csv', lines.join('\n'));
    const problem = 'line 1 names the columns, as data.columns does for files without such a line; correct or remove';
    refuse({ path, columns: ['text', 'label'], test: commas }, `${commas}: ${problem}`);
    refuse({ path: commas, columns: ['label', 'text'] }, `${commas}: ${problem}`);
  });

  it('is not asked of a folder', () => {
    const { commas } = files();
    refuse(
      { path: commas, test: folder },
      `data.test: expected a file of texts at ${folder}, but it is a folder; name a file in it`,
    );
    refuse(
      { train: folder },
      `data.train: expected a file of texts at ${folder}, but it is a folder; name a file in it`,
    );
  });
});

describe('one file', () => {
  it('is divided by class, the same whenever, and as a run wrote down', () => {
    const path = write('all.csv', csv(rows(['a', 'b', 'c'], 20)));
    const texts = load({ path });
    const counts = (labels: Float32Array) => [0, 1, 2].map((label) => labels.filter((each) => each === label).length);
    expect(counts(texts.train.labels!)).toEqual([16, 16, 16]);
    expect(counts(texts.test.labels!)).toEqual([4, 4, 4]);
    expect([...texts.train.first, ...texts.test.first].sort()).toEqual(
      rows(['a', 'b', 'c'], 20)
        .map((row) => row.slice(0, -2))
        .sort(),
    );
    expect(texts.train.name).toBe('all.csv, train part');
    expect(load({ path })).toEqual(texts);
    expect(counts(load({ path, testFraction: 0.5 }).test.labels!)).toEqual([10, 10, 10]);
    expect(load({ path, splitSeed: 2 }).test.first).not.toEqual(texts.test.first);

    const { split } = texts;
    expect(split).toMatchObject({ testFraction: 0.2, seed: 1 });
    expect(split!.train[0]).toMatch(/^2:[0-9a-f]{8}$/);
    // Rows that were added later belong to neither part.
    write('all.csv', csv([...rows(['a', 'b', 'c'], 20), 'new,a', 'of a new class,aa', ',b']));
    expect(load({ path, split: split! })).toEqual(texts);
    // Nor do they move others, wherever they are; an equal row may be either.
    write('all.csv', csv(['new,a', ...rows(['a', 'b', 'c'], 20).toSpliced(3, 0, 'between,b', 'text 0 of a,a')]));
    const { first, labels } = load({ path, split: split! }).test;
    expect({ first, labels }).toEqual({ first: texts.test.first, labels: texts.test.labels });
    expect(load({ path, split: split! }).train.first).toEqual(texts.train.first);
    const wayOut = 'put the file back as it was, or evaluate another one with `padnet eval <run> --data <file>`';
    write('all.csv', csv(rows(['a', 'b', 'c'], 20).with(2, 'other,a').with(5, 'another,b')));
    refuse(
      { path, split: split! },
      `${path}: 2 rows of the run's split.json cannot be found, then in line 4, 7; ${wayOut}`,
    );
    refuse(
      { path, split: split!, testFraction: 0.5 },
      `data.testFraction: the run divided ${path} by 0.2 when it began, as its split.json says, not by 0.5`,
    );
    refuse({ path, split: split!, splitSeed: 5 }, `data.splitSeed: the run divided ${path} by 1 when it began`);
  });

  it('may have equal rows, whose texts stay in the same part', () => {
    const twice = [...rows(['a', 'b'], 4), ...rows(['a', 'b'], 4)];
    const path = write('all.csv', csv(twice));
    const { train, test, split } = load({ path });
    write('all.csv', csv(['new,a', ...twice]));
    const again = load({ path, split: split! });
    expect([again.train.first, again.test.first]).toEqual([train.first, test.first]);
    write('all.csv', csv(twice.slice(1)));
    refuse({ path, split: split! }, /: a row of the run's split\.json cannot be found, then in line 10;/);
  });

  it('of numbers is divided at random', () => {
    const path = write('all.csv', csv(Array.from({ length: 50 }, (_, row) => `text ${row},${row / 4}`)));
    const { train, test, definition } = load({ path, ...numbers });
    expect([train.length, test.length]).toEqual([40, 10]);
    expect(train.labels![0]).toBe(Number(train.first[0]!.slice(5)) / 4);
    expect(definition).toMatchObject({ labels: null, classNames: null, range: null });
    expect(train.classNames).toBeNull();
  });

  it('needs two rows a class', () => {
    const path = write('all.csv', csv(['a,x', 'b,x', 'c,y']));
    refuse(
      { path },
      `${path}: there is only one row of y, expected two or more, to train on and to test on; ` +
        'add rows, or give a file in data.test',
    );
  });

  it('is not tested on by another, too', () => {
    const path = write('all.csv', csv(rows(['a', 'b'], 4)));
    symlinkSync(path, join(folder, 'link.csv'));
    refuse(
      { path, test: join(folder, 'link.csv') },
      /data\.test: .*link\.csv is the file that is trained on; remove the key/,
    );
    write('train.csv', csv(rows(['a', 'b'], 4)));
    write('val.csv', csv(rows(['a', 'b'], 4)));
    refuse(
      { path: folder, splitSeed: 3 },
      `data.splitSeed: ${join(folder, 'val.csv')} is tested on, so that nothing is split`,
    );
  });
});

describe('a folder', () => {
  it('is tested on by what is nearest to a development set, the test file being handed in', () => {
    const text = csv(rows(['a', 'b'], 2));
    for (const name of ['train', 'validation']) write(`${name}.csv`, text);
    const hidden = write('test.csv', 'id,text\nx7,what is it\nx8,"and, this"\n');
    const { test, definition } = load({ path: folder });
    expect(test.name).toBe('validation.csv');
    expect(ownSubmission({ ...defaults, path: folder }, definition)).toEqual({
      name: 'test.csv',
      length: 2,
      first: ['what is it', 'and, this'],
      second: null,
      labels: null,
      classNames: ['a', 'b'],
      indices: ['x7', 'x8'],
    });
    rmSync(join(folder, 'validation.csv'));
    refuse({ path: folder }, `${hidden}: line 1 names no column label, expected it among id, text`);
    write('test.csv', text);
    expect(load({ path: folder }).test.name).toBe('test.csv');
    expect(ownSubmission({ ...defaults, path: folder }, definition)).toBeNull();
  });

  it('has one file for training', () => {
    refuse(
      { path: folder },
      `${folder}: expected one of train.csv, train.tsv, train.jsonl (or with .gz), found none; ` +
        'or set data.path to a file',
    );
    write('train.csv', csv(rows(['a', 'b'], 2)));
    write('train.tsv.gz', gzipSync('text\tlabel\n'));
    refuse({ path: folder }, `${folder}: train.csv and train.tsv.gz are there, expected only one of them`);
    expect(load({ path: folder, format: 'csv' }).train.length).toBe(2);
    const at = (name: string) =>
      `data.path: expected a file of texts, or a folder of them, at ${join(folder, name)}, but `;
    refuse({ path: join(folder, 'none') }, `${at('none')}there is no such file`);
    symlinkSync('loop.csv', join(folder, 'loop.csv'));
    refuse({ path: join(folder, 'loop.csv') }, `${at('loop.csv')}its symbolic links lead in a circle`);
    refuse(
      { path: folder, format: 'csv', test: join(folder, 'loop.csv') },
      /data\.test: expected a file of texts at .*loop\.csv, but its symbolic links lead in a circle/,
    );
    refuse({}, 'data.path: missing; expected a file of texts, or a folder with train and dev');
  });
});

describe('rows that are wrong are named by file, line and column', () => {
  const fine = rows(['a', 'b'], 3);

  it.each<[string, readonly string[], Partial<OwnTextsOptions>, string]>([
    [
      'no text',
      [...fine, ' ,a', '"",b'],
      {},
      'line 8 has no text in text; so have lines 9, 2 in all; correct or remove what is wrong',
    ],
    ['no label', [...fine, 'x,'], {}, 'line 8: label is "", expected a or b; correct the line'],
    ['one class', rows(['a'], 3), {}, 'label is "a" in every row, expected two classes or more'],
    ['no class', ['x,', 'y,'], {}, 'line 2 has no label in label; so have lines 3, 2 in all; correct or remove'],
    ['one class and none', ['x,p', 'y,', 'z,p', 'v,'], {}, 'line 3 has no label in label; so have lines 5, 2 in all'],
    [
      'a class that is written otherwise',
      ['x,0.0', 'y,1.0'],
      { classes: ['0', '1'] },
      'line 2: label is "0.0", expected 0 or 1; ' +
        'labels are compared as text, so data.classes needs them in quotes; correct',
    ],
    [
      'a class of more lines',
      [...fine, 'x,"c\n\x1bd"'],
      { classes: ['a', 'b'] },
      'line 8: label is "c\\x0a\\x1bd", expected',
    ],
    [
      'a class that is not listed',
      [...fine, 'x,c', 'y,d'],
      { classes: ['a', 'b'] },
      'line 8: label is "c", expected a or b; correct the line; the same in lines 9, 2 in all',
    ],
    [
      'a listed class without rows',
      fine,
      { classes: ['a', 'b', 'c'] },
      'no row is of c, which data.classes lists; remove it',
    ],
    ['NaN', ['x,1', 'y,NaN', 'z,2'], numbers, 'line 3: label is "NaN", expected a number; correct the line'],
    ['too large a number', ['x,1', 'y,1e39'], numbers, 'line 3: label is "1e39", expected a number'],
    [
      'a number in words',
      ['x,1', 'y,0x10', 'z,'],
      numbers,
      'line 3: label is "0x10", expected a number; correct the line; the same in lines 4, 2 in all',
    ],
    ['one number', ['x,1', 'y,1.0'], numbers, 'label is 1 in every row, expected different numbers'],
    [
      'a missing column',
      fine,
      { textColumn: 'sentence' },
      'line 1 names no column sentence, expected it among text, label; say which it is with data.textColumn',
    ],
    [
      'a missing label column',
      fine,
      { labelColumn: 'class' },
      'line 1 names no column class, expected it among text, label; say which it is with data.labelColumn',
    ],
    [
      'a missing second column',
      fine,
      { secondColumn: 'other' },
      'line 1 names no column other, expected it among text, label; say which it is with data.secondColumn',
    ],
  ])('%s', (_, lines, options, message) => {
    const path = write('all.csv', csv(lines));
    refuse({ path, ...options }, `${path}: ${message}`);
  });

  it('labels that training lacks, in what is tested on', () => {
    const path = write('train.csv', csv(fine));
    const test = write('dev.csv', csv(['x,a', 'y,c']));
    refuse({ path, test }, `${test}: line 3: label is "c", expected a or b; correct the line`);
  });

  it('equal numbers in what is tested on, which correlate with nothing', () => {
    const path = write('train.csv', csv(['x,1', 'y,2']));
    const test = write('dev.csv', csv(['x,3']));
    refuse({ path, test, ...numbers }, `${test}: label is 3 in every row, expected different numbers`);
  });

  it('a header that names a column twice', () => {
    const path = write('all.csv', 'text,label,label\na,b,c\nd,e,f\n');
    refuse({ path }, `${path}: line 1 names the column label twice; give one of them another name`);
  });

  it('half a character, and text that JSON lacks', () => {
    const lines = ['a', 'b', 'c', 'd'].map((text) => JSON.stringify({ text, label: 'ab'.includes(text) ? 1 : 2 }));
    const path = write('all.jsonl', [...lines, '{"text": "\\ud83d", "label": 1}'].join('\n'));
    refuse({ path }, `${path}: line 5 holds half a character in text`);
    write('all.jsonl', [...lines, '{"label": 1}', '{"text": ["a"], "label": 1}'].join('\n'));
    refuse({ path }, `${path}: line 5 has no text in text; so have lines 6, 2 in all`);
    const lists = lines.map((line) => line.replace(/[12]/, '["x"]'));
    write('all.jsonl', lists.join('\n'));
    refuse({ path }, `${path}: line 1 has no label in label; so have lines 2, 3, 4, 4 in all`);
    refuse({ path, classes: ['x', 'y'] }, `${path}: line 1: label is missing, or not a text, expected x or y`);
    write('all.jsonl', [...lines, '{"text": "e"}'].join('\n'));
    refuse({ path }, `${path}: line 5: label is missing, or not a text, expected 1 or 2`);
  });

  it('labels that are rather numbers, and a metric of two classes for three', () => {
    const path = write('all.csv', csv(Array.from({ length: 40 }, (_, row) => `text ${row},${row / 8}`)));
    refuse(
      { path },
      `data.labelColumn: label has 40 different labels in the 40 rows of ${path}; ` +
        'where they are numbers to predict set data.target: number, where they are classes list them in data.classes',
    );
    const three = write('three.csv', csv(rows(['a', 'b', 'c'], 3)));
    refuse(
      { path: three, metrics: ['f1'] },
      `data.metric: f1 is for two classes, ${three} has 3; choose macroF1, accuracy or matthews`,
    );
  });
});
