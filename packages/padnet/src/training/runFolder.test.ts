import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { InputError } from '../errors.js';
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
  for (const file of [run.recipe, run.metrics, run.environment, run.partition, run.model, run.modelWeights])
    writeFileSync(file, 'x');
  writeFileSync(join(run.checkpoints, 'step-0000001-00000001.json'), 'x');
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
  expect(failure(false)).toBe(`${run.path} already has a run; --resume goes on with it, --force starts it anew`);
  expect(readdirSync(run.path, { recursive: true })).toEqual(before);
});

it('starts anew where it is forced, and leaves the files that are not its own', () => {
  fill();
  run.create(true);
  expect(readdirSync(run.path)).toEqual(['notes.txt']);
});

it('refuses a folder that is no run, forced or not', () => {
  mkdirSync(run.path);
  writeFileSync(join(run.path, 'thesis.tex'), 'mine');
  for (const force of [false, true]) {
    expect(failure(force)).toBe(
      `${run.path} exists and is no training run (it has no recipe.yaml); choose another folder`,
    );
  }
  expect(readFileSync(join(run.path, 'thesis.tex'), 'utf8')).toBe('mine');
});

it('takes a folder for empty where a run was killed before it had a recipe', () => {
  mkdirSync(run.path);
  writeFileSync(join(run.path, '.padnet-999999999-0123456789ab.tmp'), 'model:');
  expect(run.exists).toBe(false);
  run.create(false);
  expect(readdirSync(run.path)).toEqual([]);
});

it('cleans what was left half-written', () => {
  fill();
  const before = readdirSync(run.path, { recursive: true }).sort();
  for (const folder of [run.path, run.checkpoints, join(run.path, 'model')])
    writeFileSync(join(folder, '.padnet-999999999-0123456789ab.tmp'), 'half');
  run.clean();
  expect(readdirSync(run.path, { recursive: true }).sort()).toEqual(before);
});
