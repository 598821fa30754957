/** Runs that a program trains by itself: what is written, how it goes on, and what can be read of it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, manualSeed, nn, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convertToPartial } from '../convert/index.js';
import { compactStateDict } from '../layers/index.js';
import { createModel, modelSchema } from '../models/index.js';
import { loadRunModel, readAnyRun, readRun, RunFolder, runState, type TrainingEvent } from '../runs/index.js';
import { type Evaluation, PictureTask, type SampleBatch, type Task, Trainer } from '../training/index.js';
import { InputError } from '../errors.js';
import { checksums, metrics, splits, withoutTimings } from '../runs/pictures.test.fixture.js';
import { htmlReport } from '../report/pages/comparisonPage.js';
import { inspectNetwork } from './inspectNetwork.js';
import { readProgramNetwork } from './programNetwork.js';
import { summariseRun } from './summariseRun.js';
import { comparisonText } from '../report/comparisonTable.js';
import { writeRun, type WriteRunOptions } from './writeRun.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-program-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const run = (name: string): RunFolder => new RunFolder(join(folder, name));

function tinyNet(isPartial: boolean): nn.Sequential {
  manualSeed(3);
  const convolution = (inChannels: number, outChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels, kernelSize: 3, padding: 1, bias: false });
  const network = new nn.Sequential(
    convolution(1, 4),
    new nn.BatchNorm2d({ numFeatures: 4, activation: 'relu' }),
    convolution(4, 8),
    new nn.BatchNorm2d({ numFeatures: 8, activation: 'relu' }),
    new nn.AdaptiveAvgPool2d({ outputSize: 1 }),
    new nn.Flatten(),
    new nn.Linear({ inFeatures: 8, outFeatures: 4 }),
  );
  return isPartial ? convertToPartial(network, { numKernels: 2, bankInitialisation: 'independent' }) : network;
}

function options(name: string, isPartial = true): WriteRunOptions {
  const task = new PictureTask({ network: tinyNet(isPartial), splits, data: { batchSize: 8, numWorkers: 0 } });
  return {
    out: run(name).path,
    network: 'TinyNet',
    data: 'quarters',
    task,
    training: { epochs: 2, learningRate: 0.05 },
    partition: isPartial ? { ratio: 0.3, rounds: 2, batches: 2 } : undefined,
  };
}

async function collect(events: AsyncIterable<TrainingEvent>): Promise<TrainingEvent[]> {
  const all: TrainingEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('writeRun', () => {
  it('trains as Trainer does, and writes the folder of a run', async () => {
    const { task, training, partition } = options('reference');
    const events = await collect(new Trainer({ task, training, partition }).run());
    const written = options('a');
    const told = await collect(writeRun(written));
    const withoutCheckpoints = told.filter(({ type }) => type !== 'checkpoint');
    expect(withoutCheckpoints.map(withoutTimings)).toEqual(events.map(withoutTimings));
    expect(checksums(written.task.network)).toEqual(checksums(task.network));
    expect(metrics(run('a').metrics)).toEqual(events.map(withoutTimings));
    expect(runState(run('a'))).toBe('finished');
    expect(readAnyRun(run('a').path).recipe).toMatchObject({
      modality: 'program',
      model: { name: 'TinyNet', layer: 'partial' },
      data: { name: 'quarters' },
      training: { epochs: 2, momentum: 0.9 },
      partition: { ratio: 0.3, saliency: 'maskGradient' },
    });
    // The weights are those of the network, which only the program can make.
    const values = (tensors: ReadonlyMap<string, Tensor>): Record<string, number[]> =>
      Object.fromEntries(Array.from(tensors, ([name, value]) => [name, value.toArray()]));
    const { tensors } = loadSafetensors(run('a').modelWeights);
    expect(values(tensors)).toEqual(values(compactStateDict(task.network)));
    expect(() => loadRunModel(run('a').path)).toThrow(
      `${run('a').model}: TinyNet is a network of a program of your own; only that program can make it; ` +
        'model.safetensors has its weights',
    );
    expect(() => readRun(run('a').path)).toThrow(
      `${run('a').path} was trained by a program of your own; only that program has its data and can go on with it`,
    );
  });

  it('is compared and shown as it was when it was written', async () => {
    const [ofStatic, ofPad] = [options('static', false), options('pad')];
    await collect(writeRun(ofStatic));
    await collect(writeRun(ofPad));
    const remarks: string[] = [];
    const onRemark = (text: string): void => {
      remarks.push(text);
    };
    const summaries = [
      await summariseRun(run('static').path, { name: 'static', onRemark }),
      await summariseRun(run('pad').path, { name: 'pad', onRemark }),
    ];
    expect(remarks).toEqual([
      `without the routers of ${run('pad').path}: a program of your own trained it, which alone has its data`,
    ]);
    const parameters = (of: WriteRunOptions): number =>
      of.task.network.parameters().reduce((sum, { numel }) => sum + numel, 0);
    expect(summaries).toMatchObject([
      { layer: 'static', metric: 'accuracy', parameters: parameters(ofStatic), sample: '1 picture', stepSamples: 8 },
      { layer: 'partial', parameters: parameters(ofPad), kappa: { target: 0.3 }, partitionEpoch: 1 },
    ]);
    // The layers have 288 entries.
    expect(summaries[1]!.kappa.reached).toBeCloseTo(0.3, 2);
    const table = comparisonText(summaries);
    expect(table).toMatch(/^ {2}points to static +– +[+−±]/m);
    expect(table).not.toContain('Settings that differ');
    const page = htmlReport(summaries, { date: new Date() });
    expect(page).toContain('TinyNet on quarters');
    expect(page).toContain('with whatever its program adds');
    expect(page).not.toContain('undefined');
    const { inspection } = readProgramNetwork(run('pad').network);
    const pass = {
      sample: '1 picture',
      ofSize: null,
      run: () => (ofPad.task.network as nn.Layer).forward(randn([1, 1, 8, 8])),
    };
    expect(inspection).toEqual(JSON.parse(JSON.stringify(inspectNetwork(ofPad.task.network, pass))));
  });

  it('goes on to the same bits, and not with other settings', async () => {
    await collect(writeRun(options('whole')));
    const controller = new AbortController();
    for await (const event of writeRun({ ...options('a'), signal: controller.signal }))
      if (event.type === 'step' && event.step === 12) controller.abort();
    expect(runState(run('a'))).toBe('started');
    // Unfinished it can be compared already.
    expect(await summariseRun(run('a').path, { name: 'a' })).toMatchObject({ finished: false, layer: 'partial' });
    const changed = { ...options('a'), training: { epochs: 2, learningRate: 0.06 }, resume: true };
    await expect(collect(writeRun(changed))).rejects.toThrow(
      `${run('a').path} was started with training.learningRate 0.05, here it is 0.06; set it back, or choose another ` +
        'folder',
    );
    await collect(writeRun({ ...options('a'), resume: true }));
    expect(metrics(run('a').metrics)).toEqual(metrics(run('whole').metrics));
    expect(readFileSync(run('a').modelWeights).equals(readFileSync(run('whole').modelWeights))).toBe(true);
    const again = await collect(writeRun({ ...options('a'), resume: true }));
    expect(again.map(({ type }) => type)).toEqual(['finished']);
  });

  it('replaces a run only where it is told to', async () => {
    await collect(writeRun(options('a', false)));
    await expect(collect(writeRun(options('a', false)))).rejects.toThrow('already has a run');
    await collect(writeRun({ ...options('a'), force: true }));
    expect(readAnyRun(run('a').path).recipe.model.layer).toBe('partial');
    await expect(collect(writeRun({ ...options('none'), resume: true }))).rejects.toThrow('has no run to resume');
    const wrong = writeRun({ ...options('wrong'), training: { epochs: 0 } });
    await expect(collect(wrong)).rejects.toThrow(InputError);
    expect(run('wrong').exists).toBe(false);
  });

  it('names the score of one’s own, and is loaded where createModel made the network', async () => {
    const model = modelSchema.parse({ name: 'resnet10', layer: 'partial', stem: 'small', width: 4, numKernels: 2 });
    manualSeed(1);
    const network = createModel(model, { inChannels: 1, numClasses: 4 });
    const task = new PictureTask({ network, splits, data: { batchSize: 8, numWorkers: 0 } });
    const saliency = {
      name: 'deviation',
      score: ({ sources }: { readonly sources: ReadonlyMap<string, { readonly bank: Tensor }> }) =>
        Promise.resolve(new Map(Array.from(sources, ([path, { bank }]) => [path, noGrad(() => bank.std([0])).keep()]))),
    };
    await collect(writeRun({ ...options('a'), network: model, task, saliency }));
    const { recipe } = readAnyRun(run('a').path);
    expect(recipe).toMatchObject({ model: { name: 'resnet10' }, partition: { saliency: 'deviation' } });
    const loaded = loadRunModel(run('a').path);
    expect(loaded.description).toMatchObject({ classNames: ['a', 'b', 'c', 'd'], inChannels: 1, size: [8, 8] });
    const input = randn([2, 1, 8, 8]);
    network.eval();
    const [ours, theirs] = [network, loaded.network as nn.Layer].map((each) =>
      scope(() => noGrad(() => each.forward(input).toArray())),
    );
    expect(theirs).toEqual(ours);
    const summary = await summariseRun(run('a').path, { name: 'a' });
    expect(summary.network.name).toBe('ResNet-10');
    expect(htmlReport([summary], { date: new Date() })).toContain('the score, deviation, serves all layers');
  });

  it('takes any task: what is counted is a batch where an input is more than a tensor', async () => {
    manualSeed(1);
    const network = new nn.Linear({ inFeatures: 3, outFeatures: 1 });
    const inputs = randn([32, 3]);
    const loss = (start: number): Tensor =>
      network
        .forward(inputs.narrow(0, start, 8))
        .sub(1)
        .square()
        .mean();
    const task: Task = {
      network,
      openLoader: () => ({
        batchesPerEpoch: 4,
        waitSeconds: 0,
        async *epoch(_epoch, { startBatch = 0 } = {}): AsyncGenerator<SampleBatch> {
          for (let index = startBatch; index < 4; index++) yield await Promise.resolve({ index, size: 8 });
        },
        close: () => Promise.resolve(),
      }),
      loss: ({ index }) => ({ loss: loss(8 * index), routing: null }),
      output: ({ index }) => network.forward(inputs.narrow(0, 8 * index, 8)),
      evaluate: (): Promise<Evaluation> => {
        const value = noGrad(() => loss(0).item());
        return Promise.resolve({
          metric: 'closeness',
          score: 1 / (1 + value),
          metrics: { closeness: 1 / (1 + value) },
          loss: value,
          predictions: Float32Array.of(),
        } as unknown as Evaluation);
      },
      partitionLosses: () =>
        Promise.resolve({ batchLosses: [() => loss(0)], sampleShape: null, [Symbol.dispose]: () => undefined }),
    };
    await collect(writeRun({ out: run('a').path, network: 'line', data: 'points', task, training: { epochs: 2 } }));
    const summary = await summariseRun(run('a').path, { name: 'line' });
    expect(summary).toMatchObject({
      metric: 'closeness',
      parameters: 4,
      sample: '1 batch',
      macs: 8 * 3,
      layer: 'static',
    });
    expect(comparisonText([summary])).toContain('MACs for 1 batch');
  });
});
