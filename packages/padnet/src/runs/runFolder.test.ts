import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { describeEnvironment } from './environment.js';
import { RunFolder } from './runFolder.js';

let parent: string;
let run: RunFolder;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-runs-'));
  run = new RunFolder(join(parent, 'run'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

function fill(): void {
  mkdirSync(run.checkpoints, { recursive: true });
  mkdirSync(join(run.path, 'model'));
  for (const file of [run.recipe, run.metrics, run.partition, run.model, run.modelWeights]) writeFileSync(file, 'x');
  writeFileSync(run.environment, JSON.stringify(describeEnvironment()));
  writeFileSync(join(run.checkpoints, 'step-0000001-00000001.json'), 'x');
  writeFileSync(run.start, 'x');
  writeFileSync(join(run.path, 'notes.txt'), 'mine');
}

function failure(force: boolean): string {
  try {
    run.checkNew(force);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect(() => {
      run.create(force);
    }).toThrow((error as Error).message);
    return (error as Error).message;
  }
  return '';
}

it('makes a folder, also where there is an empty one', () => {
  expect(run.exists).toBe(false);
  run.create(false);
  expect(readdirSync(parent)).toEqual(['run']);
  run.create(false);
  expect(run.exists).toBe(false);
});

it('refuses a run that is there, and changes nothing', () => {
  fill();
  const before = readdirSync(run.path, { recursive: true });
  expect(failure(false)).toBe(
    `${run.path} already has a run; --resume goes on with it, --force starts it from the beginning`,
  );
  expect(readdirSync(run.path, { recursive: true })).toEqual(before);
});

it('starts anew where it is forced, and leaves the files that are not its own', () => {
  fill();
  run.create(true);
  // Recipe and environment are replaced next: at no moment there is a folder that is no run.
  expect(readdirSync(run.path).sort()).toEqual(['environment.json', 'notes.txt', 'recipe.yaml']);
});

it('leaves them in its folders too, and folders by the names of its files', () => {
  fill();
  const mine = [
    join(run.checkpoints, 'best.safetensors'),
    join(run.path, 'model', 'README.md'),
    join(run.path, 'model', 'vocab.txt'),
    join(run.path, 'runs'),
  ];
  for (const file of mine) writeFileSync(file, 'mine');
  run.create(true);
  expect(readdirSync(run.checkpoints)).toEqual(['best.safetensors']);
  expect(readdirSync(join(run.path, 'model'))).toEqual(['README.md', 'vocab.txt']);
  for (const file of mine) expect(readFileSync(file, 'utf8')).toBe('mine');
  mkdirSync(run.metrics);
  writeFileSync(join(run.metrics, 'x'), 'mine');
  expect(() => {
    run.create(true);
  }).toThrow(`${run.metrics} could not be removed: `);
  expect(readFileSync(join(run.metrics, 'x'), 'utf8')).toBe('mine');
});

it('leaves a link to where there is room', () => {
  fill();
  const disk = join(parent, 'disk');
  renameSync(run.checkpoints, disk);
  symlinkSync(disk, run.checkpoints);
  run.create(true);
  expect(lstatSync(run.checkpoints).isSymbolicLink()).toBe(true);
  expect(readdirSync(disk)).toEqual([]);
});

it.each(['environment.json', 'metrics.jsonl', 'checkpoints'])('knows a run by its %s', (name) => {
  mkdirSync(run.path);
  writeFileSync(run.recipe, 'x');
  writeFileSync(join(run.path, 'thesis.tex'), 'mine');
  if (name === 'checkpoints') mkdirSync(run.checkpoints);
  const event = { type: 'partitionRound', epoch: 1, step: 2, round: 1, rounds: 2, keepRatio: 0.5, dynamicRatio: 0.5 };
  const [file, text] = {
    'environment.json': [run.environment, JSON.stringify(describeEnvironment())],
    'metrics.jsonl': [run.metrics, `${JSON.stringify(event)}\n`],
    checkpoints: [join(run.checkpoints, 'step-0000001-00000001.json'), 'x'],
  }[name]!;
  writeFileSync(file!, name === 'checkpoints' ? text! : '{"mine": true}\n');
  if (name !== 'checkpoints') expect(failure(true)).toContain('none of the files that training writes beside it');
  writeFileSync(file!, text!);
  run.create(true);
  expect(readFileSync(join(run.path, 'thesis.tex'), 'utf8')).toBe('mine');
});

it("deletes nothing where a recipe is all that may be a run's", () => {
  mkdirSync(join(run.path, 'model'), { recursive: true });
  for (const file of [run.recipe, run.model, run.partition, run.environment]) writeFileSync(file, 'mine');
  const before = readdirSync(run.path, { recursive: true });
  expect(failure(true)).toBe(
    `${run.path} has a recipe.yaml, but none of the files that training writes beside it, ` +
      'so nothing in it is deleted; choose another folder',
  );
  expect(readdirSync(run.path, { recursive: true })).toEqual(before);
});

it('says what is in the way', () => {
  writeFileSync(run.path, 'mine');
  expect(failure(true)).toBe(`${run.path} could not be read: it is a file, not a folder`);
});

it('refuses a folder that is no run, forced or not', () => {
  mkdirSync(run.path);
  writeFileSync(join(run.path, 'thesis.tex'), 'mine');
  for (const force of [false, true]) {
    expect(failure(force)).toBe(
      `${run.path} exists and is not a training run (it has no recipe.yaml); choose another folder`,
    );
  }
  expect(readFileSync(join(run.path, 'thesis.tex'), 'utf8')).toBe('mine');
});

it('takes a folder for empty where a run was killed before it had a recipe', () => {
  mkdirSync(run.path);
  writeFileSync(join(run.path, '.padnet-999999999-0123456789ab.tmp'), 'model:');
  writeFileSync(join(run.path, '.padnet.lock'), '');
  writeFileSync(run.environment, JSON.stringify(describeEnvironment()));
  expect(run.exists).toBe(false);
  run.create(false);
  expect(readdirSync(run.path).sort()).toEqual(['.padnet.lock', 'environment.json']);
  writeFileSync(run.environment, '{"mine": true}');
  expect(run.exists).toBe(true);
});

it('cleans what was left half-written', () => {
  fill();
  const before = readdirSync(run.path, { recursive: true }).sort();
  for (const folder of [run.path, run.checkpoints, join(run.path, 'model')])
    writeFileSync(join(folder, '.padnet-999999999-0123456789ab.tmp'), 'half');
  run.clean();
  expect(readdirSync(run.path, { recursive: true }).sort()).toEqual(before);
});
