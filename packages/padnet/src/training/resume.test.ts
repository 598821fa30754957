/** Bit-exact resume: however a run is interrupted, weights, optimizer and events are those of one that was not. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualSeed, noGrad, type nn } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPictureFolder } from '../data/index.js';
import { maskGradient, partialLayers, type Saliency } from '../partition/index.js';
import { isMetric, type TrainingEvent } from '../runs/events.js';
import {
  smallNetwork,
  trainerOptions,
  checksums,
  withoutTimings,
  writePictureFolder,
  type Kind,
} from '../runs/pictures.test.fixture.js';
import { PictureTask } from './tasks/pictureTask.js';
import { Trainer, type TrainerOptions } from './trainer.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-resume-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly weights: Record<string, string>;
  readonly masks: number[][];
  /** The whole last checkpoint: weights, optimizer, random state. */
  readonly checkpoint: string;
  readonly events: Record<string, unknown>[];
}

function outcome(network: nn.Module, events: readonly TrainingEvent[], checkpoints: string): Outcome {
  const last = readdirSync(checkpoints)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1)!;
  const { sha256 } = JSON.parse(readFileSync(join(checkpoints, last), 'utf8')) as { sha256: string };
  return {
    weights: checksums(network),
    masks: Array.from(partialLayers(network).values(), ({ mask }) => [...mask.bits]),
    checkpoint: sha256,
    events: events.filter(isMetric).map(withoutTimings),
  };
}

type Make = () => TrainerOptions;

async function uninterrupted(make: Make): Promise<Outcome> {
  const checkpoints = join(folder, 'whole');
  const options = make();
  const events: TrainingEvent[] = [];
  for await (const event of new Trainer({ ...options, checkpoints }).run()) events.push(event);
  return outcome(options.task.network, events, checkpoints);
}

/**
 * Stops after each of the events that `stops` names; every session starts from other weights and random numbers.
 * `abort`: as Ctrl-C does; `leave`: as if killed there.
 */
async function interrupted(make: Make, stops: readonly string[], how: 'abort' | 'leave'): Promise<Outcome> {
  const checkpoints = join(folder, 'parts');
  let events: TrainingEvent[] = [];
  for (let session = 0; ; session++) {
    const options = make();
    const trainer = new Trainer({ ...options, checkpoints });
    if (session > 0) {
      manualSeed(100 + session);
      noGrad(() => {
        for (const parameter of options.task.network.parameters()) parameter.normal_();
      });
      trainer.resume();
    }
    events = events.slice(0, trainer.events); // as trainRecipe drops the lines after the checkpoint
    const controller = new AbortController();
    for await (const event of trainer.run(controller)) {
      if (isMetric(event)) events.push(event);
      const name = 'step' in event ? `${event.type} ${event.step}` : event.type;
      if (name !== stops[session]) continue;
      if (how === 'leave') break;
      controller.abort();
    }
    if (events.at(-1)?.type === 'finished') {
      expect(session).toBe(stops.length);
      return outcome(options.task.network, events, checkpoints);
    }
    expect(session).toBeLessThan(stops.length);
  }
}

const make =
  (layer: Kind, changes: Parameters<typeof trainerOptions>[2] = {}): Make =>
  () =>
    trainerOptions(smallNetwork(layer), layer, changes);

describe.each(['abort', 'leave'] as const)('%s', (how) => {
  it.each<Kind>(['static', 'dynamic', 'partial'])('%s, in the middle of epochs and between them', async (layer) => {
    const options = make(layer, { training: { checkpointSteps: 2, labelSmoothing: 0.1 } });
    const whole = await uninterrupted(options);
    expect(await interrupted(options, ['step 4', 'epoch 9', 'step 13', 'step 18'], how)).toEqual(whole);
  });

  it('before, in and after the partition', async () => {
    const options = make('partial', { training: { checkpointSteps: 4 } });
    const whole = await uninterrupted(options);
    // Aborted in its last round, a partition is still applied and saved.
    const stops = [
      'step 9',
      'checkpoint 9',
      'partitionRound 9',
      ...(how === 'leave' ? ['partition 9'] : []),
      'step 10',
    ];
    expect(await interrupted(options, stops, how)).toEqual(whole);
    expect(whole.masks.flat().some((byte) => byte !== 255)).toBe(true);
  });
});

it.each([0, 0.5, 1])('in the search for masks after %d epochs', async (epoch) => {
  const options = make('partial', { partition: { epoch } });
  const whole = await uninterrupted(options);
  const checkpoints = join(folder, 'parts');
  const controller = new AbortController();
  const saliency: Saliency = {
    name: maskGradient.name,
    score: async (context) => {
      await maskGradient.score(context);
      controller.abort();
      throw controller.signal.reason;
    },
  };
  const events: TrainingEvent[] = [];
  for await (const event of new Trainer({ ...options(), saliency, checkpoints }).run(controller)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: 'interrupted', step: 9 * epoch === 4.5 ? 5 : 9 * epoch });
  const again = options();
  const trainer = new Trainer({ ...again, checkpoints });
  trainer.resume();
  for await (const event of trainer.run()) events.push(event);
  expect(outcome(again.task.network, events, checkpoints)).toEqual(whole);
});

it.each([
  ['static', 0],
  ['partial', 1],
] as const)('%s with mix-up, accumulation, augmentation and AdamW; %i data workers', async (layer, numWorkers) => {
  const options = make(layer, {
    data: { numWorkers, randomCrop: 1, randomFlip: true },
    training: { mixup: 0.3, accumulation: 2, optimizer: 'adamw', learningRate: 0.002, clipGradNorm: 1 },
  });
  const whole = await uninterrupted(options);
  expect(await interrupted(options, ['step 2', 'step 3', 'step 7'], 'abort')).toEqual(whole);
});

it.each([0, 2])('of picture files with every augmentation; %i data workers', async (numWorkers) => {
  const pictures = join(folder, 'pictures');
  await writePictureFolder(pictures);
  const splits = await loadPictureFolder(pictures, { size: 16 });
  const augmented: Make = () => {
    const network = smallNetwork('partial', {}, { inChannels: 3, numClasses: 2 });
    const data = {
      batchSize: 3,
      numWorkers,
      randomResizedCrop: {},
      randomCrop: 1,
      randomFlip: true,
      colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
      randAugment: {},
      randomErasing: { probability: 1 },
    };
    const task = new PictureTask({ network, splits, data, mixup: 0.2, cutmix: 1 });
    const partition = { ratio: 0.3, rounds: 2, batches: 2 };
    return { task, training: { epochs: 3, learningRate: 0.02, checkpointSteps: 2 }, partition };
  };
  const whole = await uninterrupted(augmented); // 4 steps an epoch
  expect(await interrupted(augmented, ['step 3', 'epoch 4', 'step 7', 'step 12'], 'leave')).toEqual(whole);
});

it.each<Kind>(['dynamic', 'partial'])('%s with accumulation, killed within the batches of a step', async (layer) => {
  const options = make(layer, { training: { accumulation: 4, checkpointSteps: 1, mixup: 0.2 } }); // 3 steps an epoch
  const whole = await uninterrupted(options);
  const crash: Make = () => {
    const { task, ...rest } = options();
    const loss = task.loss.bind(task);
    let batches = 0;
    task.loss = (batch) => {
      if (++batches === 7) throw new Error('killed');
      return loss(batch);
    };
    return { ...rest, task };
  };
  const checkpoints = join(folder, 'parts');
  const killed = new Trainer({ ...crash(), checkpoints });
  const events: TrainingEvent[] = [];
  await expect(
    (async () => {
      for await (const event of killed.run()) events.push(event);
    })(),
  ).rejects.toThrow('killed');
  const again = options();
  const trainer = new Trainer({ ...again, checkpoints });
  manualSeed(100);
  trainer.resume();
  const rest: TrainingEvent[] = [];
  for await (const event of trainer.run()) rest.push(event);
  const told = events.filter(isMetric).slice(0, 1);
  expect(rest[0]).toMatchObject({ type: 'step', step: 2 });
  expect(outcome(again.task.network, [...told, ...rest], checkpoints)).toEqual(whole);
});

it('with another number of data workers', async () => {
  const whole = await uninterrupted(make('static'));
  let session = 0;
  const changing: Make = () => make('static', { data: { numWorkers: session++ % 3 } })();
  expect(await interrupted(changing, ['step 3', 'step 8'], 'abort')).toEqual(whole);
});

it.each(['abort', 'leave'] as const)('with a moving average of the weights; %s', async (how) => {
  const training = { ema: 0.9, accumulation: 2, checkpointSteps: 2, earlyStopping: { patience: 3 } };
  const options = make('partial', { training });
  const whole = await uninterrupted(options);
  expect(await interrupted(options, ['step 3', 'epoch 5', 'step 6', 'step 9'], how)).toEqual(whole);
});

it('in bfloat16', async () => {
  const options = make('partial', { training: { autocast: 'bf16', checkpointSteps: 4 } });
  const whole = await uninterrupted(options);
  expect(await interrupted(options, ['step 3', 'step 12'], 'abort')).toEqual(whole);
});

it('of MobileNetV2, with dropout', async () => {
  const mobile: Make = () => {
    const network = smallNetwork('partial', { name: 'mobilenetV2', width: 0.1 });
    return trainerOptions(network, 'partial', { data: { batchSize: 24 }, training: { mixup: 0.2 } });
  };
  const whole = await uninterrupted(mobile);
  expect(await interrupted(mobile, ['step 2', 'step 5'], 'abort')).toEqual(whole);
});

it('of DCD, before and after its partition', async () => {
  // Evaluation grows with the square of activations at every layer where running statistics lag behind, as they do
  // after 9 steps.
  const training = { learningRate: 0.005 };
  const options: Make = () => trainerOptions(smallNetwork('partial', { convolution: 'dcd' }), 'partial', { training });
  const whole = await uninterrupted(options);
  expect(await interrupted(options, ['step 4', 'partitionRound 9', 'step 12'], 'abort')).toEqual(whole);
  expect(whole.masks.flat().some((byte) => byte !== 255)).toBe(true);
});

it('counts pictures a second over the whole epoch', async () => {
  const options = make('static', { training: { epochs: 1 } });
  const trainer = new Trainer({ ...options(), checkpoints: folder });
  const controller = new AbortController();
  let seconds = 0;
  for await (const event of trainer.run(controller)) {
    if (event.type !== 'step') continue;
    seconds += event.seconds;
    if (event.step === 6) controller.abort();
  }
  const again = new Trainer({ ...options(), checkpoints: folder });
  again.resume();
  for await (const event of again.run()) {
    if (event.type === 'step') seconds += event.seconds;
    if (event.type === 'epoch') expect(event.samplesPerSecond).toBeCloseTo(72 / (seconds + event.waitSeconds), 6);
  }
});

it('with the schedule that the run was begun with, whatever the default is now', async () => {
  const begun = make('static', { training: { warmupEpochs: 1, scheduleStart: 'firstStep' } });
  const byDefault = make('static', { training: { warmupEpochs: 1 } });
  const whole = await uninterrupted(begun);
  let session = 0;
  const changing: Make = () => (session++ === 0 ? begun : byDefault)();
  expect(await interrupted(changing, ['step 4', 'step 12'], 'abort')).toEqual(whole);
});
