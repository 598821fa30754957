import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getNumThreads, setNumThreads } from '@padnet/torch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readEnvironment } from '../runs/environment.js';
import type { TrainingEvent } from '../runs/events.js';
import { collect, metrics, smallRecipe, writePictures } from '../runs/pictures.test.fixture.js';
import { RunFolder } from '../runs/runFolder.js';
import { runState } from '../runs/runState.js';
import { trainInProcess } from './trainInProcess.js';
import { trainRecipe } from './trainRecipe.js';

let data: string;
const run = (name: string): RunFolder => new RunFolder(join(data, name));

beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'padnet-process-'));
  writePictures(data);
});
afterAll(() => {
  rmSync(data, { recursive: true });
});

it('trains as trainRecipe does, and this process’s event loop stays free', async () => {
  const recipe = smallRecipe(data, 'partial');
  const [here, there] = [run('here'), run('there')];
  const told = await collect(trainRecipe(recipe, { out: here.path }));
  let [last, gap, ticks] = [Infinity, 0, 0];
  const timer = setInterval(() => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
    ticks++;
  }, 10);
  const events: TrainingEvent[] = [];
  for await (const event of trainInProcess(recipe, { out: there.path })) {
    events.push(event);
    if (last === Infinity) last = performance.now(); // from the first event on
  }
  clearInterval(timer);
  expect(events.map(({ type }) => type)).toEqual(told.map(({ type }) => type));
  expect(metrics(there.metrics)).toEqual(metrics(here.metrics));
  expect(readFileSync(there.modelWeights)).toEqual(readFileSync(here.modelWeights));
  const seconds = events.reduce((sum, event) => sum + (event.type === 'step' ? event.seconds : 0), 0);
  // Half of the ticks that a free loop would have, on a machine that others use too.
  expect(ticks).toBeGreaterThan((seconds * 1000) / 10 / 2);
  expect(gap).toBeLessThan(500);
});

it('trains with as many threads as this process has', async () => {
  const threads = getNumThreads();
  setNumThreads(threads + 1);
  try {
    await collect(trainInProcess(smallRecipe(data, 'static', { epochs: 1 }), { out: run('threads').path }));
  } finally {
    setNumThreads(threads);
  }
  expect(readEnvironment(run('threads').environment).threads).toBe(threads + 1);
});

it('stops by the signal after saving, also by one that was aborted before, and goes on to the end', async () => {
  const recipe = smallRecipe(data, 'static', { epochs: 2, checkpointSteps: 1 });
  const { path: out } = run('stopped');
  const controller = new AbortController();
  const { signal } = controller;
  const events: TrainingEvent[] = [];
  expect(runState(run('stopped'))).toBe('missing');
  for await (const event of trainInProcess(recipe, { out, signal })) {
    events.push(event);
    if (event.type === 'step') controller.abort();
  }
  const [saved, interrupted] = events.slice(-2);
  expect([saved!.type, interrupted!.type]).toEqual(['checkpoint', 'interrupted']);
  expect(runState(run('stopped'))).toBe('started');
  expect(await collect(trainInProcess(recipe, { out, resume: true, signal }))).toEqual([interrupted]);
  expect((await collect(trainInProcess(recipe, { out, resume: true }))).at(-1)).toMatchObject({ type: 'finished' });
  expect(runState(run('stopped'))).toBe('finished');
});

it('stops where the loop is left, after saving', async () => {
  const recipe = smallRecipe(data, 'static', { epochs: 50 });
  for await (const event of trainInProcess(recipe, { out: run('left').path })) if (event.type === 'step') break;
  expect(readdirSync(run('left').checkpoints).length).toBeGreaterThanOrEqual(2);
});

it('tells errors with name and message', async () => {
  const { path } = run('here');
  await expect(collect(trainInProcess(smallRecipe(data, 'partial'), { out: path }))).rejects.toMatchObject({
    name: 'InputError',
    message: `${path} already has a run; --resume goes on with it, --force starts it from the beginning`,
  });
  const wild = smallRecipe(data, 'static', { learningRate: 1e30 });
  await expect(collect(trainInProcess(wild, { out: run('wild').path }))).rejects.toMatchObject({
    name: 'NonFiniteLossError',
    message: expect.stringMatching(/^the loss is not finite at step \d+: .*(layer|conv|bn|fc)/) as string,
  });
});
