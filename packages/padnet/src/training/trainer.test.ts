import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromTypedArray, liveTensors, manualSeed, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convertToDynamic } from '../convert/index.js';
import { KernelAttention } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import { partialLayers, type Partition, type Saliency } from '../partition/index.js';
import type { TrainingEvent } from '../runs/events.js';
import { NonFiniteLossError } from './nonFinite.js';
import { collect, pictures, smallNetwork, splits, trainerOptions, checksums } from '../runs/pictures.test.fixture.js';
import type { Task } from './task.js';
import { PictureTask } from './tasks/pictureTask.js';
import { Trainer, type TrainerOptions } from './trainer.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-trainer-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const types = (events: readonly TrainingEvent[]): string[] => events.map(({ type }) => type);
const ofType = <Type extends TrainingEvent['type']>(
  events: readonly TrainingEvent[],
  type: Type,
): Extract<TrainingEvent, { type: Type }>[] =>
  events.filter((event): event is Extract<TrainingEvent, { type: Type }> => event.type === type);
const maskBits = (network: nn.Module): number[][] =>
  Array.from(partialLayers(network).values(), ({ mask }) => [...mask.bits]);

describe('what it tells', () => {
  it('is every step, round, partition, epoch and checkpoint, in order', async () => {
    const network = smallNetwork('partial');
    const trainer = new Trainer({ ...trainerOptions(network, 'partial'), checkpoints: folder });
    expect([trainer.stepsPerEpoch, trainer.totalSteps]).toEqual([9, 18]);
    const events = await collect(trainer.run());
    const steps = Array<string>(9).fill('step');
    const partition = ['partitionRound', 'partitionRound', 'partition', 'checkpoint'];
    const expected = [...steps, 'epoch', 'checkpoint', ...partition, ...steps, 'epoch', 'checkpoint', 'finished'];
    expect(types(events)).toEqual(expected);
    expect(trainer.events).toBe(expected.filter((type) => type !== 'checkpoint').length);

    const told = ofType(events, 'step');
    expect(told.map(({ step }) => step)).toEqual(Array.from({ length: 18 }, (_, index) => index + 1));
    expect(told.map(({ epoch }) => epoch)).toEqual([...Array<number>(9).fill(1), ...Array<number>(9).fill(2)]);
    for (const { totalSteps, samples, seconds, loss } of told) {
      expect([totalSteps, samples]).toEqual([18, 8]);
      expect(seconds).toBeGreaterThan(0);
      expect(loss).toBeGreaterThan(0);
    }
    const [first, second] = ofType(events, 'epoch');
    const mean = told.slice(0, 9).reduce((sum, { loss }) => sum + loss / 9, 0);
    expect(first!.trainLoss).toBeCloseTo(mean, 10);
    expect(first).toMatchObject({ epoch: 1, epochs: 2, step: 9 });
    expect(second!.validationScore).toBeGreaterThan(0.5);
    const seconds = told.slice(9).map((event) => event.seconds);
    expect(second!.stepSeconds).toBe(seconds.sort((a, b) => a - b)[4]);
    const epochSeconds = seconds.reduce((sum, value) => sum + value, 0) + second!.waitSeconds;
    expect(second!.samplesPerSecond).toBeCloseTo(72 / epochSeconds, 6);
    expect(ofType(events, 'finished')).toMatchObject([
      { epoch: 2, step: 18, validationScore: second!.validationScore, validationLoss: second!.validationLoss },
    ]);
    const rounds = ofType(events, 'partitionRound');
    expect(rounds.map(({ round, rounds: all, epoch, step }) => [round, all, epoch, step])).toEqual([
      [1, 2, 1, 9],
      [2, 2, 1, 9],
    ]);
    expect(rounds.map(({ keepRatio }) => keepRatio)).toEqual([0.3 ** 0.5, 0.3]);
    // Ties become static: on 1 × 1 pictures the border of a kernel scores 0.
    expect(rounds[0]!.dynamicRatio).toBeLessThan(rounds[0]!.keepRatio);
    expect(rounds[1]!.dynamicRatio).toBeCloseTo(0.3, 2);
    const [done] = ofType(events, 'partition');
    expect(done!.dynamicRatio).toBe(rounds[1]!.dynamicRatio);
    expect(Object.keys(done!.dynamicRatioByLayer)).toEqual([...partialLayers(network).keys()]);
    expect(() => structuredClone(events)).not.toThrow();
  });

  it('follows learning rate and temperature step by step', async () => {
    const network = smallNetwork('dynamic');
    const training = { schedule: 'constant', warmupEpochs: 1, temperature: { start: 19, end: 1, epochs: 2 } } as const;
    const events = await collect(new Trainer(trainerOptions(network, 'dynamic', { training })).run());
    const steps = ofType(events, 'step');
    const rates = steps.map(({ learningRate }) => learningRate);
    for (const [index, rate] of rates.entries()) expect(rate).toBeCloseTo(0.05 * Math.min(1, index / 9), 12);
    expect(steps.map(({ temperature }) => temperature)).toEqual(Array.from({ length: 18 }, (_, index) => 19 - index));
    for (const [, module] of network.namedModules())
      if (module instanceof KernelAttention) expect(module.temperature.item()).toBe(2);
  });

  it('has no temperature in a static network', async () => {
    const trainer = new Trainer(trainerOptions(smallNetwork(), 'static', { training: { epochs: 1 } }));
    for await (const event of trainer.run()) if (event.type === 'step') expect(event.temperature).toBeNull();
  });
});

describe('the test data', () => {
  /** What the task was evaluated on, among the events. */
  async function reads(
    changes: Parameters<typeof trainerOptions>[2],
    interruptAt: readonly number[] = [],
  ): Promise<string[]> {
    const found: string[] = [];
    const attempt = async (stopAt: number | undefined): Promise<void> => {
      const options = { ...trainerOptions(smallNetwork('partial'), 'partial', changes), checkpoints: folder };
      const evaluate = options.task.evaluate.bind(options.task);
      options.task.evaluate = (given = {}) => {
        found.push(given.on ?? 'test');
        return evaluate(given);
      };
      const trainer = new Trainer(options);
      trainer.resume();
      const controller = new AbortController();
      for await (const event of trainer.run(controller)) {
        if (event.type === 'step' && event.step === stopAt) controller.abort();
        if (event.type === 'epoch' || event.type === 'finished') found.push(event.type);
      }
    };
    for (const stopAt of interruptAt) await attempt(stopAt);
    await attempt(undefined);
    return found;
  }

  const epoch = ['validation', 'epoch'];

  it('are read once, when training has ended', async () => {
    expect(await reads({})).toEqual([...epoch, ...epoch, 'test', 'finished']);
  });

  it('are not read by a run that is interrupted', async () => {
    expect(await reads({}, [4, 12])).toEqual([...epoch, ...epoch, 'test', 'finished']);
  });

  it('do not choose the epoch that is kept', async () => {
    const training = { epochs: 20, learningRate: 0.02, earlyStopping: { patience: 2 } };
    const found = await reads({ training });
    const epochs = found.filter((each) => each === 'epoch').length;
    expect(epochs).toBeLessThan(20);
    expect(found).toEqual([...Array<string[]>(epochs).fill(epoch).flat(), 'validation', 'test', 'finished']);
  });

  it('are what epochs are scored on in a run of before, and then not read again', async () => {
    expect(await reads({ training: { epochScore: 'test' } })).toEqual(['test', 'epoch', 'test', 'epoch', 'finished']);
  });

  it('are the only ones where none are held out: epochs have no score, early stopping nothing to go by', async () => {
    const network = smallNetwork();
    const task = new PictureTask({ network, splits: { train: splits.train, test: splits.test } });
    const events = await collect(new Trainer({ task, training: { epochs: 2 } }).run());
    for (const event of ofType(events, 'epoch')) {
      expect(event.trainLoss).toBeGreaterThan(0);
      expect(Object.keys(event).filter((key) => /^(test|validation|metric)/.test(key))).toEqual([]);
    }
    expect(ofType(events, 'finished')).toMatchObject([{ metric: 'accuracy', testScore: expect.any(Number) as number }]);
    expect(() => new Trainer({ task, training: { epochs: 2, earlyStopping: { patience: 1 } } })).toThrow(
      'training.earlyStopping: the best epoch is chosen by data that are held out: ' +
        'expected data.validation.fraction, such as 0.1',
    );
  });
});

describe('a step', () => {
  /** One linear layer: no batch norm, whose statistics depend on the batch. */
  const linear = (): nn.Layer => {
    manualSeed(4);
    return new nn.Sequential(new nn.Flatten(), new nn.Linear({ inFeatures: 64, outFeatures: 4 }));
  };

  it('of 4 accumulated batches of 5 is that of one batch of 20, the smaller last one too', async () => {
    /** In float64, and with a layer of attention that has a temperature. */
    class Float64 extends nn.Sequential {
      override forward(input: Tensor): Tensor {
        return super.forward(input.to('float64'));
      }
    }
    const train = async (batchSize: number, accumulation: number) => {
      manualSeed(4);
      const conv = new nn.Conv2d({ inChannels: 1, outChannels: 4, kernelSize: 3, bias: false });
      const network = convertToDynamic(
        new Float64(
          conv,
          new nn.ReLU(),
          new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: 3 }),
          new nn.Flatten(),
          new nn.Linear({ inFeatures: 64, outFeatures: 4 }),
        ),
        { numKernels: 2 },
      ).to('float64');
      const training = { accumulation, epochs: 2, clipGradNorm: 0.5, temperature: { epochs: 2 } };
      const events = await collect(
        new Trainer(trainerOptions(network, 'dynamic', { data: { batchSize }, training })).run(),
      );
      return { network, steps: ofType(events, 'step') };
    };
    const [big, small] = [await train(20, 1), await train(5, 4)];
    expect(small.steps.map(({ samples }) => samples)).toEqual([20, 20, 20, 12, 20, 20, 20, 12]);
    for (const [index, { loss, learningRate, temperature, step, totalSteps }] of small.steps.entries()) {
      const expected = big.steps[index]!;
      expect(loss).toBeCloseTo(expected.loss, 10);
      expect([learningRate, temperature]).toEqual([expected.learningRate, expected.temperature]);
      expect([step, totalSteps]).toEqual([index + 1, 8]);
    }
    expect(small.steps.at(-1)!.temperature).toBeLessThan(small.steps[0]!.temperature!);
    for (const [name, value] of big.network.stateDict())
      expectClose(small.network.stateDict().get(name)!, value, { atol: 1e-10 });
  });

  it('trains on each batch as it comes, so that no more than one is held', async () => {
    const { task, training } = trainerOptions(linear(), 'static', { training: { accumulation: 4, epochs: 1 } });
    const order: string[] = [];
    const watched: Task = {
      network: task.network,
      openLoader(seed) {
        const loader = task.openLoader(seed);
        return {
          batchesPerEpoch: loader.batchesPerEpoch,
          waitSeconds: 0,
          close: () => loader.close(),
          async *epoch(epoch, options) {
            for await (const batch of loader.epoch(epoch, options)) {
              order.push(`load ${batch.index}`);
              yield batch;
            }
          },
        };
      },
      loss(batch) {
        order.push(`loss ${batch.index}`);
        return task.loss(batch);
      },
      output: (batch) => task.output(batch),
      evaluate: (options) => task.evaluate(options),
      partitionLosses: (options) => task.partitionLosses(options),
    };
    await collect(new Trainer({ task: watched, training }).run());
    expect(order).toEqual(Array.from({ length: 9 }, (_, index) => [`load ${index}`, `loss ${index}`]).flat());
  });

  it('is shorter where gradients are clipped', async () => {
    const moved = async (clipGradNorm?: number): Promise<number> => {
      const network = linear();
      const before = network.stateDict().get('1.weight')!.clone();
      const training = { epochs: 1, momentum: 0, weightDecay: 0, ...(clipGradNorm !== undefined && { clipGradNorm }) };
      for await (const event of new Trainer(trainerOptions(network, 'static', { training })).run())
        if (event.type === 'step') break;
      return network.stateDict().get('1.weight')!.sub(before).norm().item();
    };
    expect(await moved()).toBeGreaterThan(0.05 * 0.02);
    expect(await moved(0.01)).toBeLessThan(0.05 * 0.0101);
  });

  it('leaks no tensor, with mix-up, accumulation, clipping and momentum', async () => {
    const network = smallNetwork('partial');
    const training = { mixup: 0.2, accumulation: 2, clipGradNorm: 1, labelSmoothing: 0.1, epochs: 3 };
    const counts: number[] = [];
    for await (const event of new Trainer(trainerOptions(network, 'partial', { training })).run())
      if (event.type === 'step') counts.push(liveTensors());
    expect(new Set(counts.slice(1, 5)).size).toBe(1);
    // After an epoch with the masks: batches of each size have been planned.
    expect(new Set(counts.slice(10)).size).toBe(1);
    // Momentum of static weights, and where entries are.
    expect(counts.at(-1)! - counts[1]!).toBeLessThanOrEqual(3 * partialLayers(network).size);
  });

  it('leaves turns to timers', async () => {
    const trainer = new Trainer(trainerOptions(smallNetwork('dynamic'), 'dynamic'));
    let [turns, steps] = [0, 0];
    const immediate = (): void => {
      turns++;
      if (steps < 18) setImmediate(immediate);
    };
    setImmediate(immediate);
    for await (const { type } of trainer.run()) if (type === 'step') steps++;
    expect(turns).toBeGreaterThanOrEqual(18);
  });
});

describe('the partition', () => {
  it('comes at its epoch, and its masks stay', async () => {
    const network = smallNetwork('partial');
    const full = maskBits(network);
    let found: Partition | undefined;
    const trainer = new Trainer({
      ...trainerOptions(network, 'partial', { training: { epochs: 4 }, partition: { epoch: 2 } }),
      onPartition: (partition) => (found = partition),
    });
    const masks: number[][][] = [];
    for await (const event of trainer.run()) {
      if (event.type === 'partition') expect([event.epoch, event.step]).toEqual([2, 18]);
      if (event.type === 'step') masks.push(maskBits(network));
    }
    for (const bits of masks.slice(0, 18)) expect(bits).toEqual(full);
    const expected = Array.from(found!.masks.values(), ({ bits }) => [...bits]);
    expect(expected).not.toEqual(full);
    for (const bits of masks.slice(18)) expect(bits).toEqual(expected);
    expect(found!.settings).toMatchObject({ ratio: 0.3, rounds: 2, batches: 2, seed: 1, saliency: 'maskGradient' });
  });

  it('leaves a step to train with its masks, where it is at the very end', async () => {
    const changes = { training: { epochs: 1 }, partition: { epoch: 0.99 } };
    const events = await collect(new Trainer(trainerOptions(smallNetwork('partial'), 'partial', changes)).run());
    expect(ofType(events, 'partition')).toMatchObject([{ epoch: 0, step: 8 }]);
  });

  it.each([0, 1] as const)('with epoch 0 comes first; κ = %i', async (ratio) => {
    const network = smallNetwork('partial');
    const options = trainerOptions(network, 'partial', { training: { epochs: 1 }, partition: { epoch: 0, ratio } });
    const events = await collect(new Trainer(options).run());
    expect(types(events).slice(0, 4)).toEqual(['partitionRound', 'partitionRound', 'partition', 'step']);
    for (const { mask } of partialLayers(network).values()) expect(mask.dynamicRatio).toBe(ratio);
  });

  it('does not change the output where coefficients are uniform and the mean is folded', async () => {
    const outputs: number[][] = [];
    for (const fold of [true, false]) {
      const network = smallNetwork('partial', { bankInitialisation: 'independent' });
      scope(() => {
        for (const [name, value] of network.stateDict()) if (name.endsWith('fc2.weight')) value.detach().zero_();
      });
      const images = pictures(4);
      const logits = (): number[] =>
        scope(() => {
          const input = Float32Array.from(images.images, (pixel) => pixel / 255);
          network.eval();
          return network.forward(fromTypedArray(input, [4, 1, 8, 8])).toArray();
        });
      const before = logits();
      const trainer = new Trainer(trainerOptions(network, 'partial', { partition: { epoch: 0, fold } }));
      for await (const { type } of trainer.run()) if (type === 'partition') break;
      const after = logits();
      outputs.push(after.map((value, index) => Math.abs(value - before[index]!)));
    }
    expect(Math.max(...outputs[0]!)).toBeLessThan(1e-5);
    expect(Math.max(...outputs[1]!)).toBeGreaterThan(1e-3);
  });

  it('takes masks that were found before', async () => {
    let found: Partition | undefined;
    const options = trainerOptions(smallNetwork('partial'), 'partial', { partition: { epoch: 0 } });
    for await (const { type } of new Trainer({ ...options, onPartition: (made) => (found = made) }).run())
      if (type === 'partition') break;
    const network = smallNetwork('partial');
    const again = trainerOptions(network, 'partial', { training: { epochs: 2 }, partition: { epoch: 1 } });
    const events = await collect(new Trainer({ ...again, masks: found! }).run());
    expect(ofType(events, 'partitionRound')).toEqual([]);
    expect(ofType(events, 'partition')).toMatchObject([{ epoch: 1, step: 9 }]);
    expect(maskBits(network)).toEqual(Array.from(found!.masks.values(), ({ bits }) => [...bits]));

    const other = smallNetwork('partial', { width: 2 });
    const before = maskBits(other);
    expect(() => new Trainer({ ...trainerOptions(other, 'partial'), masks: found! })).toThrow(
      /^partition\.masks: .* another network: mask shape \[4, 4, 3, 3\] does not .* \[2, 2, 3, 3\] of layer1\.0\.conv1/,
    );
    expect(maskBits(other)).toEqual(before);
  });

  it('takes a score of one’s own, whose gradients do not reach the next step', async () => {
    const calls: number[] = [];
    const saliency: Saliency = {
      name: 'first',
      score: ({ sources, batchLosses }) => {
        calls.push(batchLosses.length);
        scope(() => {
          batchLosses[0]!().backward();
        });
        const scores = Array.from(sources, ([path, { bank }]): [string, Tensor] => [
          path,
          bank.detach().select(0, 0).abs(),
        ]);
        return Promise.resolve(new Map(scores));
      },
    };
    let found: Partition | undefined;
    const network = smallNetwork('partial');
    const options = trainerOptions(network, 'partial', { partition: { epoch: 0, rounds: 1 } });
    for await (const { type } of new Trainer({ ...options, saliency, onPartition: (made) => (found = made) }).run())
      if (type === 'partition') break;
    expect(calls).toEqual([2]);
    expect(found!.settings.saliency).toBe('first');
    for (const [, parameter] of network.namedParameters()) expect(parameter.grad).toBeNull();
  });
});

describe('stopped by a signal', () => {
  it('finishes the step under way, saves, and says so', async () => {
    const trainer = new Trainer({ ...trainerOptions(smallNetwork(), 'static'), checkpoints: folder });
    const controller = new AbortController();
    const events: TrainingEvent[] = [];
    for await (const event of trainer.run({ signal: controller.signal })) {
      events.push(event);
      if (event.type === 'step' && event.step === 3) controller.abort();
    }
    expect(types(events)).toEqual(['step', 'step', 'step', 'checkpoint', 'interrupted']);
    expect(events.at(-1)).toEqual({ type: 'interrupted', epoch: 1, step: 3 });
    expect(readdirSync(folder).sort()).toEqual(['step-0000003-00000003.json', 'step-0000003-00000003.safetensors']);
  });

  it('before the first step saves too, and a second time finds that there is nothing new', async () => {
    const signal = AbortSignal.abort();
    const options = { ...trainerOptions(smallNetwork(), 'static'), checkpoints: folder };
    expect(types(await collect(new Trainer(options).run({ signal })))).toEqual(['checkpoint', 'interrupted']);
    const again = new Trainer(options);
    expect(again.resume()).toEqual([]);
    expect(types(await collect(again.run({ signal })))).toEqual(['interrupted']);
  });

  it('in the partition goes back to before it', async () => {
    const network = smallNetwork('partial');
    const controller = new AbortController();
    const saliency: Saliency = {
      name: 'stops',
      score: ({ signal }) => {
        controller.abort();
        signal!.throwIfAborted();
        return Promise.reject(new Error('not reached'));
      },
    };
    const options = { ...trainerOptions(network, 'partial'), checkpoints: folder };
    const events = await collect(new Trainer({ ...options, saliency }).run(controller));
    expect(types(events).slice(-3)).toEqual(['epoch', 'checkpoint', 'interrupted']);
    expect(readdirSync(folder)).toHaveLength(2);
    for (const { mask } of partialLayers(network).values()) expect(mask.dynamicRatio).toBe(1);
  });

  it('in the evaluation stops at once; resumed, it evaluates again', async () => {
    const plain = smallNetwork();
    const whole = await collect(new Trainer(trainerOptions(plain, 'static', { training: { epochs: 1 } })).run());
    const network = smallNetwork();
    const options = { ...trainerOptions(network, 'static', { training: { epochs: 1 } }), checkpoints: folder };
    const controller = new AbortController();
    const events: TrainingEvent[] = [];
    for await (const event of new Trainer(options).run(controller)) {
      events.push(event);
      if (event.type === 'step' && event.step === 9)
        setImmediate(() =>
          setImmediate(() => {
            controller.abort();
          }),
        );
    }
    expect(types(events).slice(-3)).toEqual(['step', 'checkpoint', 'interrupted']);
    const again = new Trainer(options);
    again.resume();
    const rest = await collect(again.run());
    expect(types(rest)).toEqual(['epoch', 'checkpoint', 'finished']);
    const [epoch] = ofType(rest, 'epoch');
    const [expected] = ofType(whole, 'epoch');
    expect(epoch).toMatchObject({ trainLoss: expected!.trainLoss, validationLoss: expected!.validationLoss, step: 9 });
    expect(epoch!.stepSeconds).toBeGreaterThan(0);
    expect(epoch!.samplesPerSecond).toBeGreaterThan(0);
    expect(checksums(network)).toEqual(checksums(plain));
  });
});

describe('a loss that is not finite', () => {
  it('names step and layer, keeps the last good checkpoint, and is no end', async () => {
    const train = (learningRate: number) => {
      const network = smallNetwork();
      const training = { learningRate, checkpointSteps: 2 };
      return {
        network,
        trainer: new Trainer({ ...trainerOptions(network, 'static', { training }), checkpoints: folder }),
      };
    };
    const good = train(0.05);
    const signal = new AbortController();
    for await (const event of good.trainer.run(signal)) if (event.type === 'step' && event.step === 3) signal.abort();
    const before = readdirSync(folder).sort();
    const kept = checksums(good.network);

    const bad = train(1e30);
    bad.trainer.resume({ allowChanges: true });
    const failure = await collect(bad.trainer.run()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NonFiniteLossError);
    const { message, step } = failure as NonFiniteLossError;
    expect(message).toMatch(/^the loss is not finite at step [45]: (parameter|layer|[a-z0-9.]+) .*not finite/);
    expect(message).toMatch(/(conv1|bn1|layer\d|fc)/);
    expect([4, 5]).toContain(step);
    expect(readdirSync(folder).sort()).toEqual(before);

    const again = train(0.05);
    expect(again.trainer.resume()).toEqual([]);
    expect(checksums(again.network)).toEqual(kept);
    expect(types(await collect(again.trainer.run())).at(-1)).toBe('finished');
  });

  it('never reaches a checkpoint where the step itself was still fine', async () => {
    const network = smallNetwork();
    const training = { learningRate: 1e38, checkpointSteps: 1, momentum: 0 };
    const trainer = new Trainer({ ...trainerOptions(network, 'static', { training }), checkpoints: folder });
    const events: TrainingEvent[] = [];
    await expect(
      (async () => {
        for await (const event of trainer.run()) events.push(event);
      })(),
    ).rejects.toThrow(
      /^the loss is not finite at step 1: (network\.[a-z0-9_.]+ has entries .* after it|after it, (layer|parameter) )/,
    );
    expect(types(events)).toEqual(['step']);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('another number that is not finite', () => {
  const spoil = (network: nn.Module, name: string): void => {
    noGrad(() => network.stateDict().get(name)!.fill_(NaN));
  };
  /** Runs to its error; what it told before, and the files of its checkpoints. */
  async function failing(
    options: TrainerOptions,
  ): Promise<{ message: string; step: number; told: string[]; files: string[] }> {
    const events: TrainingEvent[] = [];
    try {
      for await (const event of new Trainer({ ...options, checkpoints: folder }).run()) events.push(event);
    } catch (error) {
      if (!(error instanceof NonFiniteLossError)) throw error;
      const { message, step } = error;
      return { message, step, told: types(events), files: readdirSync(folder).sort() };
    }
    throw new Error('it came to its end');
  }

  it('of the test ends the run, names the layer, and leaves the last checkpoint', async () => {
    const options = trainerOptions(smallNetwork(), 'static', { training: { checkpointSteps: 4 } });
    const evaluate = options.task.evaluate.bind(options.task);
    options.task.evaluate = (given) => {
      spoil(options.task.network, 'layer2.0.bn1.running_var');
      return evaluate(given);
    };
    const { message, step, told, files } = await failing(options);
    expect(message).toMatch(
      /^the loss on quarters is not finite at step 9: layer layer2\.0\.bn1 \(BatchNorm2d\) is the first .*\. The last/,
    );
    expect(step).toBe(9);
    expect(told.filter((type) => type !== 'step')).toEqual(['checkpoint', 'checkpoint']);
    expect(files.filter((name) => name.endsWith('.json'))).toEqual([
      'step-0000004-00000004.json',
      'step-0000008-00000008.json',
    ]);
    const again = trainerOptions(smallNetwork(), 'static');
    const trainer = new Trainer({ ...again, checkpoints: folder });
    expect(trainer.resume()).not.toBeNull();
    expect(types(await collect(trainer.run())).at(-1)).toBe('finished');
  });

  it.each([
    [
      'loss',
      { loss: Infinity, score: 0.5, metrics: { accuracy: 0.5 } },
      /^the validation loss is not finite at step 9: every/,
    ],
    [
      'metric',
      { loss: 1, score: 0.5, metrics: { accuracy: 0.5, own: NaN } },
      /^validationMetrics\.own of the event epoch is not finite at step 9: it is NaN/,
    ],
    [
      'score',
      { loss: 1, score: NaN, metrics: {} },
      /^validationScore of the event epoch is not finite at step 9: it is NaN/,
    ],
  ])('of a %s that a task of one’s own gives', async (_, result, expected) => {
    const options = trainerOptions(smallNetwork(), 'static');
    options.task.evaluate = () => Promise.resolve({ metric: 'accuracy', predictions: new Float32Array(), ...result });
    const { message, told } = await failing(options);
    expect(message).toMatch(expected);
    expect(told).not.toContain('epoch');
  });

  it('of the gradients is told where they are clipped, before a weight is changed', async () => {
    const options = trainerOptions(smallNetwork(), 'static', { training: { clipGradNorm: 1 } });
    const loss = options.task.loss.bind(options.task);
    const weight = options.task.network.stateDict().get('layer3.0.conv2.weight')!;
    const before = weight.toArray();
    options.task.loss = (batch) => {
      const given = loss(batch);
      return { ...given, loss: given.loss.add(weight.mul(0).sum().sqrt()) }; // 0, and its gradient 0 · ∞
    };
    const { message } = await failing(options);
    expect(message).toMatch(
      /^the norm of the gradients is not finite at step 1: the gradient of layer3\.0\.conv2\.weight has entries /,
    );
    expect(weight.toArray()).toEqual(before);
  });

  it('of a partition’s scores names the layer whose output is first, or whose scores are', async () => {
    const options = trainerOptions(smallNetwork('partial'), 'partial');
    const partitionLosses = options.task.partitionLosses.bind(options.task);
    options.task.partitionLosses = (set) => {
      spoil(options.task.network, 'layer3.0.bn2.running_mean');
      return partitionLosses(set);
    };
    const { message, told } = await failing(options);
    expect(message).toMatch(
      /^the saliency maskGradient is not finite at step 9: layer layer3\.0\.bn2 \(BatchNorm2d\) is the first /,
    );
    expect(told).not.toContain('partition');

    const own: Saliency = {
      name: 'own',
      score: ({ sources }) =>
        Promise.resolve(
          new Map(
            Array.from(sources, ([path, { shape }]) => [path, ops.full(shape, path === 'layer4.0.conv1' ? NaN : 1)]),
          ),
        ),
    };
    rmSync(folder, { recursive: true });
    const scored = await failing({ ...trainerOptions(smallNetwork('partial'), 'partial'), saliency: own });
    expect(scored.message).toMatch(
      /^the saliency own is not finite at step 9: that of layer4\.0\.conv1 is not\. The last/,
    );
  });
});

describe('bad options', () => {
  const network = smallNetwork();
  it.each<[Parameters<typeof trainerOptions>[2], string]>([
    [{ training: { epochs: 0 } }, 'training: epochs: '],
    [{ training: { learningRate: -1 } }, 'training: learningRate: '],
    [{ data: { batchSize: 0 } }, 'data: batchSize: '],
  ])('%j', (changes, message) => {
    const make = () => new Trainer(trainerOptions(network, 'static', changes));
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });

  it('a partition of a network without partial layers', () => {
    expect(() => new Trainer({ ...trainerOptions(network, 'static'), partition: { ratio: 0.3 } })).toThrow(
      'partition is given, but the network has no partial layer',
    );
    expect(
      () => new Trainer({ ...trainerOptions(smallNetwork('partial'), 'partial', { partition: { ratio: 2 } }) }),
    ).toThrow(/^partition: ratio: /);
  });

  it('a checkpoint of another network, which stays', async () => {
    const signal = AbortSignal.abort();
    await collect(new Trainer({ ...trainerOptions(smallNetwork(), 'static'), checkpoints: folder }).run({ signal }));
    const before = readdirSync(folder);
    const other = new Trainer({
      ...trainerOptions(smallNetwork('static', { width: 2 }), 'static'),
      checkpoints: folder,
    });
    expect(() => other.resume()).toThrow(InputError);
    expect(() => other.resume()).toThrow(
      /json is of another network: .* ResNet: conv1\.weight has shape \[4, 1, 3, 3\], expected \[2, 1, 3, 3\]/,
    );
    expect(readdirSync(folder)).toEqual(before);
    expect(() => new Trainer(trainerOptions(network, 'static')).resume()).toThrow('nothing to resume from');
  });
});

describe('autocast', () => {
  it.each(['static', 'dynamic', 'partial'] as const)(
    'of a %s network: nearly the same losses at first, and they fall',
    async (layer) => {
      const losses = async (autocast: 'none' | 'bf16'): Promise<number[]> => {
        const network = smallNetwork(layer);
        const training = { autocast, mixup: 0.1, epochs: 2 };
        const events = await collect(new Trainer(trainerOptions(network, layer, { training })).run());
        for (const [name, parameter] of network.namedParameters())
          expect([name, parameter.dtype]).toEqual([name, 'float32']);
        return ofType(events, 'step').map(({ loss }) => loss);
      };
      const [exact, cast] = [await losses('none'), await losses('bf16')];
      expect(cast[0]).not.toBe(exact[0]);
      expect(cast[0]).toBeCloseTo(exact[0]!, 1);
      const mean = (some: number[]): number => some.reduce((sum, each) => sum + each / some.length, 0);
      expect(mean(cast.slice(-9))).toBeLessThan(0.8 * mean(cast.slice(0, 3)));
      // Later ones go their own way, as they do with any other rounding.
      expect(Math.abs(mean(cast.slice(0, 3)) - mean(exact.slice(0, 3)))).toBeLessThan(0.15);
    },
  );
});
