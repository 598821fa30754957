import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it('trains as trainRecipe does', async () => {
  const recipe = smallRecipe(data, 'static', { epochs: 1 });
  const [here, there] = [run('here'), run('there')];
  await collect(trainRecipe(recipe, { out: here.path }));
  const events = await collect(trainInProcess(recipe, { out: there.path }));
  expect(events.at(-1)).toMatchObject({ type: 'finished', step: 9 });
  expect(metrics(there.metrics)).toEqual(metrics(here.metrics));
  expect(readFileSync(there.modelWeights)).toEqual(readFileSync(here.modelWeights));
});

it('stops by the signal after saving, and goes on to the end', async () => {
  const recipe = smallRecipe(data, 'static', { epochs: 2, checkpointSteps: 1 });
  const { path: out } = run('stopped');
  const controller = new AbortController();
  const events: TrainingEvent[] = [];
  expect(runState(run('stopped'))).toBe('missing');
  for await (const event of trainInProcess(recipe, { out, signal: controller.signal })) {
    events.push(event);
    if (event.type === 'step') controller.abort();
  }
  expect(events.at(-1)).toMatchObject({ type: 'interrupted' });
  expect(existsSync(run('stopped').checkpoints)).toBe(true);
  expect(runState(run('stopped'))).toBe('started');
  expect((await collect(trainInProcess(recipe, { out, resume: true }))).at(-1)).toMatchObject({ type: 'finished' });
  expect(runState(run('stopped'))).toBe('finished');
});

it('tells errors with name and message', async () => {
  const wild = smallRecipe(data, 'static', { learningRate: 1e30 });
  await expect(collect(trainInProcess(wild, { out: run('wild').path }))).rejects.toMatchObject({
    name: 'NonFiniteLossError',
    message: expect.stringMatching(/^the loss is not finite at step \d+: /) as string,
  });
});
