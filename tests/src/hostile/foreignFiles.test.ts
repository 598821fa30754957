/** Files that are not padnet's are neither deleted nor overwritten, whatever is forced and wherever output is sent. */
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { checksums, tinyRecipe, writePictures } from '../padnetProcess.js';
import { commandResults } from './commandResults.js';

let cwd: string;
const put = (file: string, text = 'mine'): void => {
  mkdirSync(join(cwd, file, '..'), { recursive: true });
  writeFileSync(join(cwd, file), text);
};
const read = (file: string): string => readFileSync(join(cwd, file), 'utf8');

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-foreign-'));
  writePictures(join(cwd, 'pictures'));
  const layers = ['static', 'dyconv'] as const;
  for (const layer of layers) put(`${layer}.yaml`, tinyRecipe(layer, { epochs: 1 }));
  const trained = commandResults(
    cwd,
    layers.map((layer) => ['train', `${layer}.yaml`, '--out', layer]),
  );
  expect(trained.map(({ code }) => code)).toEqual([0, 0]);
  put(
    'texts.yaml',
    'modality: text\nmodel: { pretrained: site }\ndata: { name: text, test: static.yaml }\n' +
      'training: { epochs: 1, learningRate: 0.001 }\n',
  );
  put('ablated/base-seed1/recipe.yaml', read('static/recipe.yaml'));
  put('ablated/base-seed1/environment.json', read('static/environment.json'));
  put('again.yaml', 'recipe: ablated/base-seed1/recipe.yaml\nsweeps: [{ training.momentum: [0.5] }]\n');
  put('project/recipe.yaml', tinyRecipe('static', { epochs: 1 }).replace('path: pictures', 'path: ../pictures'));
  for (const name of ['model/model.json', 'checkpoints/best.pt', 'metrics.jsonl', 'environment.json', 'thesis.tex'])
    put(`project/${name}`);
  put('site/config.json', '{"mine": true}');
  put('site/vocab.txt');
  put('page.html', '<!doctype html>\n<title>mine</title>');
  put('numbers.json', '{}');
  symlinkSync('page.html', join(cwd, 'link.html'));
  symlinkSync('report.html', join(cwd, 'latest.html'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const masks = ['partition', 'dyconv', '--ratio', '0.5', '--rounds', '1', '--batches', '1'];
const convert = ['convert', 'static', '--layer', 'dynamic', '--force', '--out'];

const refused: [string[], RegExp][] = [
  [
    ['train', 'static.yaml', '--out', 'project', '--force'],
    /^project has a recipe\.yaml, but none of the files that training writes/,
  ],
  [['train', 'static.yaml', '--out', 'site', '--force'], /^site exists and is not a training run/],
  [
    ['train', 'static/recipe.yaml', '--out', 'static', '--force'],
    /^static\/recipe\.yaml belongs to the run in static, which is to start from the beginning/,
  ],
  [
    ['ablate', 'again.yaml', '--out', 'ablated', '--set', 'training.epochs=2', '--force'],
    /^ablated\/base-seed1\/recipe\.yaml belongs to the run in ablated\/base-seed1/,
  ],
  ...(
    [
      ['static.yaml', 'model.pretrained', 'static/checkpoints/step-0000006-00000007.safetensors'],
      ['static.yaml', 'data.path', 'static/metrics.jsonl'],
      ['texts.yaml', 'data.train', 'static/environment.json'],
    ] as const
  ).map(([recipe, key, file]): [string[], RegExp] => [
    ['train', recipe, '--set', `${key}=${file}`, '--out', 'static', '--force'],
    new RegExp(`^${key}: .*/${file} belongs to the run in static`),
  ]),
  [['ablate', 'ablation.yaml', '--out', 'project'], /ablation\.yaml: expected an ablation/],
  [
    ['compare', 'static', '--out', 'static/metrics.jsonl'],
    /^static\/metrics\.jsonl is there already and is not a report of padnet/,
  ],
  [['compare', 'static', '--out', 'static/recipe.yaml'], /^static\/recipe\.yaml is there already and is not a report/],
  [['compare', 'static', '--out', 'page.html'], /^page\.html is there already and is not a report/],
  [['compare', 'static', '--out', 'link.html'], /^link\.html is there already and is not a report/],
  [
    ['compare', 'static', '--out', 'latest.html'],
    /^latest\.html is a symbolic link that leads nowhere|^latest\.html could not be written/,
  ],
  [['compare', 'static', '--out', 'site'], /^site is a folder, expected a file/],
  [[...masks, '--force', '--out', 'dyconv.yaml'], /^dyconv\.yaml is there already and is not a file of masks/],
  [
    [...masks, '--force', '--out', 'static/model/model.safetensors'],
    /model\.safetensors is there already and is not a file of masks/,
  ],
  [[...masks, '--out', 'dyconv/partition.safetensors'], /^dyconv\/partition\.safetensors belongs to the run in dyconv/],
  [[...convert, 'site'], /^site\/(config\.json|vocab\.txt) is no file that padnet has written/],
  [[...convert, 'static'], /^static is a training run/],
  [[...convert, 'static/model'], /^static\/model belongs to the run in static/],
  [[...convert, 'page.html'], /^page\.html could not be listed: it is a file, not a folder|^page\.html is a file/],
];

it('nothing is changed where something else is in the way', () => {
  const before = checksums(cwd);
  const results = commandResults(
    cwd,
    refused.map(([parameters]) => parameters),
  );
  for (const [index, { command, code, stdout, stderr }] of results.entries()) {
    expect({ command, code, stdout }).toEqual({ command, code: 1, stdout: '' });
    expect(stderr.replace(/^padnet: /, ''), command).toMatch(refused[index]![1]);
  }
  expect(checksums(cwd)).toEqual(before);
}, 120_000);

it('its own is replaced, through links too, and devices stay what they are', () => {
  mkdirSync(join(cwd, 'out'));
  symlinkSync('report.html', join(cwd, 'out/newest.html'));
  put('networks/a/notes.txt');
  const compare = (...parameters: string[]): string[] => ['compare', ...parameters];
  const results = commandResults(cwd, [
    compare('static', '--out', 'out/report.html'),
    compare('static', 'dyconv', '--out', 'out/newest.html'),
    compare('static', '--out', '/dev/null'),
    compare('static', '--out', '/dev/stdout'),
    [...masks, '--out', 'half.safetensors'],
    [...masks, '--out', 'half.safetensors', '--force'],
    [...convert, 'networks/a'],
    [...convert, 'networks/a'],
    ['convert', 'networks/a', '--layer', 'static', '--out', 'networks/a', '--force'],
    ['convert', 'static', '--layer', 'partial', '--out', 'networks/a'],
  ]);
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  expect(read('out/report.html')).toContain('dyconv');
  expect(lstatSync(join(cwd, 'out/newest.html')).isSymbolicLink()).toBe(true);
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(results[3]!.stdout).toMatch(/^<!doctype html>[^]*<\/html>\s*run +static/);
  expect(read('networks/a/notes.txt')).toBe('mine');
}, 120_000);

it('a folder with files of one’s own keeps them when the run in it starts anew', () => {
  const mine = ['notes.txt', 'model/README.md', 'checkpoints/best.pt', 'runs/x/weights.bin'].map(
    (name) => `dyconv/${name}`,
  );
  for (const file of mine) put(file);
  const [forced] = commandResults(cwd, [['train', 'static.yaml', '--out', 'dyconv', '--force']]);
  expect(forced).toMatchObject({ code: 0, stderr: '' });
  expect(mine.map(read)).toEqual(mine.map(() => 'mine'));
}, 120_000);
