import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { liveTensors, manualSeed, nn, noGrad } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { checksums, collect, smallNetwork, trainerOptions } from '../runs/pictures.test.fixture.js';
import { Trainer } from './trainer.js';
import { WeightAverage } from './weightAverage.js';

const values = (network: nn.Module): number[][] => Array.from(network.parameters(), (each) => each.toArray());

/** d of an update, from 0. */
const decayAt = (update: number, decay: number): number => Math.min(decay, (1 + update) / (10 + update));

describe('the average', () => {
  const linear = (): nn.Linear => {
    manualSeed(2);
    return new nn.Linear({ inFeatures: 3, outFeatures: 2 }).to('float64');
  };

  it('is that of the formula', () => {
    const network = linear();
    const average = new WeightAverage(network, 0.4);
    let expected = network.weight.toTypedArray() as Float64Array;
    for (let update = 0; update < 9; update++) {
      noGrad(() => network.weight.normal_());
      average.update();
      const decay = decayAt(update, 0.4); // the rising decay at first, then 0.4
      const now = network.weight.toTypedArray() as Float64Array;
      expected = expected.map((value, index) => decay * value + (1 - decay) * now[index]!);
    }
    expect(average.updates).toBe(9);
    const averaged = average.tensors.get('weight')!.toTypedArray() as Float64Array;
    for (const [index, value] of expected.entries()) expect(averaged[index]).toBeCloseTo(value, 12);
  });

  it('is the network’s for as long as it is asked for, also where that fails', async () => {
    const network = linear();
    const average = new WeightAverage(network, 0.9);
    const start = values(network);
    noGrad(() => network.weight.fill_(5));
    const own = values(network);
    await average.during(async () => {
      expect(values(network)).toEqual(start);
      await Promise.resolve();
    });
    expect(values(network)).toEqual(own);
    await expect(average.during(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(values(network)).toEqual(own);
    expect(average.tensors.get('weight')!.toArray()).toEqual(start[0]);
  });

  it('goes with the network’s own buffers', () => {
    const network = new nn.BatchNorm2d({ numFeatures: 2 });
    const average = new WeightAverage(network, 0.9);
    noGrad(() => {
      network.runningMean!.fill_(3);
      network.weight!.fill_(4);
    });
    const kept = average.stateDict();
    expect(kept.get('running_mean')!.toArray()).toEqual([3, 3]);
    expect(kept.get('weight')!.toArray()).toEqual([1, 1]);
  });

  it('of another network is told from its own', () => {
    const average = new WeightAverage(linear(), 0.9);
    expect(() => {
      average.load(3, new Map());
    }).toThrow(new RangeError('missing the average of weight'));
  });
});

describe('training with ema', () => {
  const ema = 0.8;

  it('tests and keeps the average of every step’s weights', async () => {
    const network = smallNetwork('dynamic');
    const weight = network.stateDict().get('fc.weight')!;
    let expected = weight.clone();
    let own = expected;
    const training = { ema, epochs: 2 };
    const options = trainerOptions(network, 'dynamic', { training });
    let update = 0;
    let kept: (number | undefined)[] = [];
    for await (const event of new Trainer(options).run()) {
      if (event.type === 'step') {
        const decay = decayAt(update++, ema);
        expected = expected.mul(decay).add(weight.detach().mul(1 - decay));
        own = weight.detach().clone();
      }
      if (event.type === 'epoch') {
        expectClose(weight, own, { atol: 0, rtol: 0 }); // training goes on from its own
        kept = [event.validationScore, event.validationLoss];
      }
    }
    expectClose(weight, expected, { atol: 1e-6 });
    expect(weight.sub(own).abs().max().item()).toBeGreaterThan(1e-3);
    const { score, loss } = await options.task.evaluate({ on: 'validation' });
    expect(kept).toEqual([score, loss]);
  });

  it('takes the same steps as without', async () => {
    const losses = async (training: { ema?: number }): Promise<number[]> => {
      const events = await collect(new Trainer(trainerOptions(smallNetwork('partial'), 'partial', { training })).run());
      return events.flatMap((event) => (event.type === 'step' ? event.loss : []));
    };
    expect(await losses({ ema })).toEqual(await losses({}));
  });

  it('starts again at the partition, for all layers alike', async () => {
    const network = smallNetwork('partial');
    const weight = network.stateDict().get('fc.weight')!;
    let expected = weight.clone();
    let update = 0;
    for await (const event of new Trainer(trainerOptions(network, 'partial', { training: { ema } })).run()) {
      if (event.type === 'partition') [expected, update] = [weight.detach().clone(), 0];
      if (event.type !== 'step') continue;
      const decay = decayAt(update++, ema);
      expected = expected.mul(decay).add(weight.detach().mul(1 - decay));
    }
    expect(update).toBe(9);
    expectClose(weight, expected, { atol: 1e-6 });
  });

  it('keeps the best epoch’s average where training stops early', async () => {
    const network = smallNetwork();
    const options = trainerOptions(network, 'static', {
      training: { ema, epochs: 30, learningRate: 0.02, earlyStopping: { patience: 2 } },
    });
    const events = await collect(new Trainer(options).run());
    const epochs = events.filter((event) => event.type === 'epoch');
    expect(epochs.length).toBeLessThan(30);
    const best = epochs.at(-3)!;
    const { score, loss } = await options.task.evaluate({ on: 'validation' });
    const { validationScore, validationLoss } = best;
    expect([score, loss]).toEqual([validationScore, validationLoss]);
    const { score: testScore } = await options.task.evaluate();
    expect(events.at(-1)).toMatchObject({ type: 'finished', validationScore, validationLoss, testScore });
  });

  it('is left as it was by a test that is interrupted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'padnet-average-'));
    try {
      const changes = { training: { ema } };
      const plain = smallNetwork('partial');
      await collect(new Trainer(trainerOptions(plain, 'partial', changes)).run());

      const first = trainerOptions(smallNetwork('partial'), 'partial', changes);
      const controller = new AbortController();
      const evaluate = first.task.evaluate.bind(first.task);
      first.task.evaluate = (options) => {
        controller.abort();
        return evaluate(options);
      };
      const stopped = await collect(new Trainer({ ...first, checkpoints: folder }).run(controller));
      expect(stopped.at(-1)).toMatchObject({ type: 'interrupted', step: 9 });
      const network = smallNetwork('partial');
      const trainer = new Trainer({ ...trainerOptions(network, 'partial', changes), checkpoints: folder });
      trainer.resume();
      await collect(trainer.run());
      expect(checksums(network)).toEqual(checksums(plain));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('does not resume a run without one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'padnet-average-'));
    try {
      const changes = { training: { epochs: 1 } };
      await collect(new Trainer({ ...trainerOptions(smallNetwork(), 'static', changes), checkpoints: folder }).run());
      const options = trainerOptions(smallNetwork(), 'static', { training: { epochs: 1, ema } });
      const trainer = new Trainer({ ...options, checkpoints: folder });
      expect(() => trainer.resume()).toThrow(/ training\.ema was not there, is 0\.8; put that back, /);
      expect(() => trainer.resume({ allowChanges: true })).toThrow(
        /is of another network: missing the average of conv1.weight$/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('leaks no tensor', async () => {
    const counts: number[] = [];
    const training = { ema, epochs: 3 };
    for await (const event of new Trainer(trainerOptions(smallNetwork(), 'static', { training })).run())
      if (event.type === 'step') counts.push(liveTensors());
    // Fewer where meanwhile what other tests have left is collected.
    expect(Math.max(...counts.slice(2))).toBeLessThanOrEqual(counts[1]!);
  });
});
