import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { describeEnvironment } from './environment.js';
import { isMetric, type TrainingEvent } from './events.js';
import { parseRecipe, serialiseRecipe } from '../recipe/loadRecipe.js';
import type { PictureRecipe } from '../recipe/recipe.js';
import { smallRecipe } from './pictures.test.fixture.js';
import { loadRunModel, readEvents, readRun } from './readRun.js';
import { RunFolder } from './runFolder.js';

let parent: string;
let run: RunFolder;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-read-'));
  run = new RunFolder(join(parent, 'run'));
  mkdirSync(run.path);
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

const common = { epoch: 1, totalSteps: 2, learningRate: 0.1, temperature: null, routing: null, samples: 8, seconds: 1 };
const events = [
  { type: 'step', step: 1, loss: 0.5, ...common },
  { type: 'step', step: 2, loss: 0.25, ...common },
] satisfies TrainingEvent[];
const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');

const message = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  return '';
};

it('reads events, and passes over a last line that was cut off', () => {
  expect(readEvents(run.metrics)).toEqual([]);
  for (const [text, count] of [
    ['', 0],
    [lines, 2],
    [`${lines}{"type":"st`, 2],
    [lines.slice(0, -1), 1],
  ] as const) {
    writeFileSync(run.metrics, text);
    expect(readEvents(run.metrics)).toEqual(events.slice(0, count));
  }
});

it.each([
  '{"type":"step","st',
  'null',
  '3',
  '[]',
  '{}',
  '{"type":"epoch"}',
  '{"type":"toString"}',
  '{"type":"checkpoint"}',
])('names the line that is damaged before the last: %s', (line) => {
  writeFileSync(run.metrics, `${lines.split('\n')[0]!}\n${line}\n${lines}`);
  expect(message(() => readEvents(run.metrics))).toBe(`${run.metrics}:2: damaged: expected one JSON event per line`);
});

it('reads a run, with or without events and environment', () => {
  const recipe = smallRecipe('pictures', 'partial');
  writeFileSync(run.recipe, serialiseRecipe(recipe));
  expect(readRun(run.path)).toMatchObject({ recipe, environment: null, events: [] });
  const environment = describeEnvironment();
  writeFileSync(run.environment, JSON.stringify(environment));
  writeFileSync(run.metrics, lines);
  expect(readRun(run.path)).toMatchObject({ recipe, environment, events });
});

it('reads a run of before schedules began after the warm-up as what it was', () => {
  const scheduleStart = (text: string): string => {
    writeFileSync(run.recipe, text);
    return readRun(run.path).recipe.training.scheduleStart;
  };
  const recipe = smallRecipe('pictures', 'static');
  const warmedUp = serialiseRecipe({ ...recipe, training: { ...recipe.training, warmupEpochs: 0.5 } });
  const older = (text: string): string => text.replace('  scheduleStart: afterWarmup\n', '');
  expect(warmedUp).not.toBe(older(warmedUp));
  expect(scheduleStart(warmedUp)).toBe('afterWarmup');
  expect(scheduleStart(older(warmedUp))).toBe('firstStep');
  expect(scheduleStart(warmedUp.replace('afterWarmup', 'firstStep'))).toBe('firstStep');
  // Without a warm-up both are the same.
  expect(scheduleStart(older(serialiseRecipe(recipe)))).toBe('afterWarmup');
  // A new training takes what the recipe says today.
  expect(parseRecipe(older(warmedUp), run.recipe).training.scheduleStart).toBe('afterWarmup');
});

it('reads a run of before there was model.initialScale as what it was', () => {
  const initialScale = (recipe: PictureRecipe, isOlder = true): unknown => {
    const text = serialiseRecipe(recipe);
    const older = text.replace(/\n {2}initialScale: \S+/, '');
    expect(older).not.toBe(text);
    writeFileSync(run.recipe, isOlder ? older : text);
    const { model } = readRun(run.path).recipe;
    return 'initialScale' in model ? model.initialScale : null;
  };
  for (const layer of ['dynamic', 'partial'] as const) {
    const recipe = smallRecipe('pictures', layer);
    expect(initialScale(recipe)).toBe('perKernel');
    expect(initialScale(recipe, false)).toBe(1);
    expect(parseRecipe(serialiseRecipe(recipe), run.recipe).model).toMatchObject({ initialScale: 1 });
    expect(initialScale({ ...recipe, model: { ...recipe.model, bankInitialisation: 'copies' } })).toBe(1);
  }
  expect(initialScale(smallRecipe('pictures', 'static'))).toBe(1);
});

it('says what is missing or damaged', () => {
  expect(message(() => readRun(run.path))).toBe(`${run.path} is not a training run: it has no recipe.yaml`);
  expect(message(() => readRun(join(parent, 'none')))).toContain('is not a training run');
  expect(message(() => loadRunModel(run.path))).toBe(
    `${run.path} has no trained model yet; \`padnet train --resume ${run.path}\` finishes the run`,
  );
  writeFileSync(run.recipe, serialiseRecipe(smallRecipe('pictures', 'static')));
  writeFileSync(run.environment, '{"date": ');
  expect(message(() => readRun(run.path))).toBe(
    `${run.environment}: expected what training wrote about its machine, but it is not JSON; ` +
      'restore it from a copy, or delete it',
  );
  writeFileSync(run.recipe, readFileSync(run.recipe, 'utf8').replace('epochs: 2', 'epochs: two'));
  expect(message(() => readRun(run.path))).toMatch(/recipe\.yaml:\d+: training\.epochs: /);
});

it('describes the machine', () => {
  const { node, threads, cores, memory, date } = describeEnvironment();
  expect(node).toBe(process.version);
  expect(threads).toBeGreaterThanOrEqual(1);
  expect(cores).toBeGreaterThanOrEqual(1);
  expect(memory).toBeGreaterThan(1e8);
  expect(Date.now() - Date.parse(date)).toBeLessThan(60_000);
});

it('tells events of the run from those of a session', () => {
  expect(isMetric({ type: 'interrupted', epoch: 1, step: 2 })).toBe(false);
  expect(events.map(isMetric)).toEqual([true, true]);
  expect(isMetric({ type: 'finished' } as TrainingEvent)).toBe(true);
});
