/** `npm run bench`: what scripts read of it, at sizes that take a second. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { getNumThreads, setNumThreads } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createProgram } from '../../benchmarks/dist/commands.js';
import { inTurns, Measured, spread, type Sample } from '../../benchmarks/dist/measure.js';
import { networkConvolutions } from '../../benchmarks/dist/networks.js';
import { machinePeaks, roofline } from '../../benchmarks/dist/roofline.js';
import { table } from '../../benchmarks/dist/table.js';

const program = fileURLToPath(new URL('../../benchmarks/dist/main.js', import.meta.url));

let cwd: string;
const threads = getNumThreads();

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-bench-'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
  setNumThreads(threads);
});

/** In this process, but for those that another thread pool or an error's message is of. */
async function bench(...parameters: string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await createProgram().parseAsync([...parameters, '--threads', '1'], { from: 'user' });
    return write.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    write.mockRestore();
  }
}

async function benchProcess(...parameters: string[]): Promise<string> {
  const env = { ...process.env, UV_THREADPOOL_SIZE: '4' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...parameters], { cwd, env });
  expect(stderr).toBe('');
  return stdout;
}

/** The JSON that `bench` prints with `--json`. */
async function measured<T>(...parameters: string[]): Promise<T> {
  return JSON.parse(await bench(...parameters, '--json')) as T;
}

const rowsOf = (text: string): string[] => text.split('\n').map((line) => line.trim().split(/ {2,}/).join(' | '));

/** A network that runs in milliseconds. */
const small = ['--model', 'resnet10', '--size', '32', '--batch', '2', '--width', '8', '--classes', '10'];

interface Cost {
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly spread: number;
}

interface Roofline {
  readonly gigaflops: number;
  readonly bound: string;
  readonly share: number;
}

function expectRoof({ gigaflops, bound, share }: Roofline): void {
  expect(gigaflops).toBeGreaterThan(0);
  expect(['arithmetic', 'memory']).toContain(bound);
  expect(share).toBeGreaterThan(0);
}

describe('the measurements', () => {
  it('of the dispatcher', async () => {
    const { callMicroseconds, targetMicroseconds, results } = await measured<Record<string, unknown>>(
      'ops',
      '--repeats',
      '1',
    );
    expect(targetMicroseconds).toBe(6);
    // The target is for a quiet machine; tests run beside others.
    expect(callMicroseconds).toBeGreaterThan(0);
    expect(callMicroseconds).toBeLessThan(100);
    expect(results).toHaveLength(6);
  });

  it('of training steps, each kind in its own processes', async () => {
    const { results, peaks, environment } = await measured<{
      results: (Cost & Roofline & Record<string, number>)[];
      peaks: Record<string, number>;
      environment: object;
    }>('step', ...small, '--steps', '2', '--repeats', '1', '--no-python', '--layer', 'static,dyconv,pad');
    expect(results.map(({ layer }) => layer)).toEqual(['static', 'dyconv', 'pad']);
    for (const result of results) {
      expectRoof(result);
      expect(result.processorSeconds).toBeGreaterThan(0);
      expect(result).toMatchObject({ passes: 2, ratioToPython: null });
      expect(result.imagesPerSecond).toBeCloseTo(2 / result.seconds);
      expect(result.peakMemoryBytes).toBeGreaterThan(50e6);
      expect(result.peakMemoryBytes).toBeLessThan(1e9);
    }
    const [fixed, dynamic, partial] = results.map((result) => result.parameters!);
    expect(fixed).toBeLessThan(partial!);
    expect(partial).toBeLessThan(dynamic!);
    expect(results[0]!.ratioToStatic).toBe(1);
    expect(peaks.flopsPerSecond).toBeGreaterThan(1e8);
    expect(environment).toHaveProperty('commit');
  });

  it('of inference', async () => {
    const quick = ['--steps', '2', '--repeats', '1', '--no-python', '--layer', 'pad-composed'];
    const { pass, results } = await measured<{ pass: string; results: object[] }>('inference', ...small, ...quick);
    expect(pass).toBe('inference');
    expect(results).toMatchObject([{ layer: 'pad-composed', ratioToStatic: null }]);
  });

  it('say why a Python that is asked for cannot take part', async () => {
    const step = bench(
      'step',
      ...small,
      '--repeats',
      '1',
      '--layer',
      'static',
      '--steps',
      '1',
      '--python',
      '/nowhere/python3',
    );
    await expect(step).rejects.toThrow('spawn /nowhere/python3 ENOENT');
  });

  const convolution = ['--in', '4', '--out', '8', '--stride', '2', '--size', '7', '--batch', '2', '--repeats', '2'];
  interface LayerCost {
    readonly layer: string;
    readonly plan: string | null;
    readonly forward: Cost & Roofline & { readonly ratioToStatic: number | null };
    readonly forwardBackward: Cost & Roofline & { readonly ratioToStatic: number | null };
    readonly parameters: number;
    readonly peakMemoryBytes: number;
  }
  const measuredLayer = async (...parameters: string[]): Promise<LayerCost[]> => {
    const { convolutions } = await measured<{ convolutions: { results: LayerCost[] }[] }>('layer', ...parameters);
    expect(convolutions).toMatchObject([{ geometry: { padding: [1, 1] }, count: 1 }]);
    return convolutions[0]!.results;
  };

  it('of a layer by every plan that it has, all of them with one mask', async () => {
    const results = await measuredLayer(...convolution, '--ratio', '0.5', '--kernels', '3');
    const mixing = ['fused', 'perSample', 'perKernel'];
    expect(results.map(({ layer, plan }) => [layer, plan])).toEqual([
      ['static', null],
      ...mixing.map((plan) => ['dyconv', plan]),
      ...mixing.map((plan) => ['pad', plan]),
      ...[...mixing, 'structured'].map((plan) => ['pad-filter', plan]),
    ]);
    for (const { forward, forwardBackward, peakMemoryBytes } of results) {
      expectRoof(forward);
      expectRoof(forwardBackward);
      expect(forwardBackward.ratioToStatic).toBeGreaterThan(0);
      expect(peakMemoryBytes).toBeGreaterThan(0);
    }
    expect(results[0]!.forwardBackward.ratioToStatic).toBe(1);
    const parametersOf = (name: string): number[] => [
      ...new Set(results.filter(({ layer }) => layer === name).map(({ parameters }) => parameters)),
    ];
    expect(parametersOf('static')).toEqual([288]);
    expect(parametersOf('dyconv')).toEqual([3 * 288]);
    // About half of 288 entries three times, the others once, and φ.
    const [pad, ...others] = parametersOf('pad');
    expect(others).toEqual([]);
    expect(pad! / 288).toBeGreaterThan(1.6);
    expect(pad! / 288).toBeLessThan(2.4);
  });

  it('of a layer by the plans that are asked for, with no ratio to what is not measured', async () => {
    const plans = ['--plan', 'structured,static,perSample'];
    const depthwise = ['--in', '4', '--out', '4', '--groups', '4', '--size', '5', '--repeats', '1'];
    const results = await measuredLayer(...depthwise, '--layer', 'pad,pad-filter', '--ratio', '0', ...plans);
    expect(results).toMatchObject([
      { layer: 'pad', plan: 'static', forward: { ratioToStatic: null } },
      { layer: 'pad', plan: 'perSample' },
      { layer: 'pad-filter', plan: 'static' },
      { layer: 'pad-filter', plan: 'perSample' },
    ]);
  });

  it('of every distinct convolution of a network but the first', async () => {
    const network = ['--model', 'resnet10', '--size', '32', '--batch', '1', '--repeats', '1'];
    const rows = rowsOf(await bench('layer', ...network, '--layer', 'static,pad-filter', '--plan', 'fused,structured'));
    expect(
      rows.filter((row) => row.startsWith('64 → 128, 1×1, stride 2, 8² | ')).map((row) => row.split(' | ')[3]),
    ).toEqual(['libtorch', 'fused', 'structured'].flatMap(() => ['forward + backward', 'forward']));
    const shape = {
      model: 'resnet10',
      stem: 'imagenet',
      width: null,
      inChannels: 3,
      numClasses: 10,
      size: 32,
      batch: 1,
    } as const;
    // Four blocks of two convolutions, three of which change the shape.
    const count = networkConvolutions(shape).reduce((sum, each) => sum + each.count, 0);
    expect(count).toBe(4 * 2 + 3);
  });

  it('of rounds of the partition', async () => {
    const quick = ['--batches', '2', '--steps', '1', '--repeats', '2', '--rounds', '2', '--granularity', 'filter'];
    const parts = ['step', 'unmaskedStep', 'scoring', 'choosing', 'batch'] as const;
    const costs = await measured<
      Record<(typeof parts)[number], Cost & Record<'ratioToStep' | 'workingMemoryBytes', number>>
    >('imp', ...small, ...quick);
    expect(costs).toMatchObject({ rounds: 2, granularity: 'filter', batches: 2, targetRatio: 1.3 });
    for (const part of parts) {
      expect(costs[part].seconds).toBeGreaterThan(0);
      expect(costs[part].workingMemoryBytes).toBeGreaterThan(0);
    }
    expect(costs.step.ratioToStep).toBe(1);
    expect(costs.batch.seconds).toBeGreaterThan(costs.scoring.seconds);
  });

  it('of mixtures of experts beside a dense layer, each with its own memory only', async () => {
    const sizes = ['--tokens', '64', '--in', '128', '--out', '256', '--repeats', '2'];
    type MoECost = Roofline & Record<'stepSeconds' | 'peakMemoryBytes' | 'parameters', number>;
    const { results, peaks } = await measured<{ results: MoECost[]; peaks: object }>('moe', ...sizes);
    expect(Object.keys(peaks)).toEqual(['flopsPerSecond', 'bytesPerSecond']);
    expect(results.map((result) => (result as unknown as { layer: string }).layer)).toEqual([
      'dense',
      'moe',
      'pad',
      'pad-neuron',
    ]);
    for (const result of results) expectRoof(result);
    const [dense, moe, pad, byNeuron] = results as [MoECost, MoECost, MoECost, MoECost];
    expect(dense).toMatchObject({ ratioToDense: 1 });
    const weight = 128 * 256 * 4;
    const tokens = 64 * (128 + 256) * 4;
    // weights and gradients, input and output with theirs
    expect(dense.peakMemoryBytes).toBeGreaterThan(2 * weight + 2 * tokens);
    expect(dense.peakMemoryBytes).toBeLessThan(2.1 * weight + 2 * tokens);
    // the bank and its gradient, what two experts of a token need, and the blocks that a thread works on
    const blocks = 2 ** 20;
    expect(moe.peakMemoryBytes).toBeGreaterThan(16 * weight + 2 * tokens);
    expect(moe.peakMemoryBytes).toBeLessThan(17 * weight + 4 * tokens + blocks);
    for (const partial of [pad, byNeuron])
      expect(partial.peakMemoryBytes).toBeLessThan(moe.peakMemoryBytes + 7 * weight);
    expect(dense.parameters).toBe(128 * 256 + 256);
    // Experts with their biases, gates and noise of the router; of pad about half of each, one static and two scale
    // factors' φ.
    expect(moe.parameters).toBe(8 * (128 * 256 + 256) + 2 * 128 * 8);
    for (const partial of [pad, byNeuron]) expect(partial.parameters / (0.5 * 128 * 256 * (8 + 1))).toBeCloseTo(1, 0);
    const flops = 3 * 2 * 64 * 128 * 256;
    expect(dense.gigaflops).toBeCloseTo(flops / dense.stepSeconds / 1e9, 6);
    expect(moe.gigaflops).toBeCloseTo((2 * flops) / moe.stepSeconds / 1e9, 6);
    expect((pad.gigaflops * pad.stepSeconds * 1e9) / flops).toBeCloseTo(1.5, 1);
  });

  it('are a line of settings and a table without --json', async () => {
    const text = await bench('moe', '--tokens', '16', '--in', '8', '--out', '16', '--repeats', '1', '--layer', 'moe');
    const [settings, , heading, , row] = rowsOf(text);
    expect(settings).toMatch(
      /^tokens 16, inFeatures 8, outFeatures 16, numExperts 8, k 2, ratio 0.5, repeats 1, threads \d+$/,
    );
    expect(heading).toMatch(/^layer \| pass \| time \| processor \| spread \| × dense \| /);
    expect(row).toMatch(/^moe \| forward \+ backward \| [\d.]+ .s \| [\d.]+ .s \| 0\.0 % \| – \| /);
    expect(text).toContain('\n\nthe roof: of each token its static entries once and its dynamic ones k times at ');
  });

  it('of the loader', async () => {
    const sizes = ['--workers', '0,1', '--images', '500', '--repeats', '1'];
    const { results } = await measured<{ results: { workers: number; imagesPerSecond: number }[] }>('loader', ...sizes);
    expect(results.map(({ workers }) => workers)).toEqual([0, 1]);
    for (const { imagesPerSecond } of results) expect(imagesPerSecond).toBeGreaterThan(0);
  });

  it('of a folder of pictures beside sharp, in memory that does not grow', async () => {
    const sizes = ['--files', '--workers', '1', '--images', '64', '--batch', '8', '--repeats', '3'];
    const { bytesPerPicture, sharp, results, residentBytes } = JSON.parse(
      await benchProcess('loader', ...sizes, '--json'),
    ) as {
      bytesPerPicture: number;
      sharp: { imagesPerSecond: number };
      results: { workers: number; imagesPerSecond: number; ratioToSharp: number }[];
      residentBytes: number[];
    };
    expect(bytesPerPicture).toBeGreaterThan(50e3);
    expect(bytesPerPicture).toBeLessThan(100e3);
    expect(results.map(({ workers }) => workers)).toEqual([1]);
    const [{ imagesPerSecond, ratioToSharp }] = results as [(typeof results)[0]];
    // The target, 0.8, is for a quiet machine and thousands of pictures.
    expect(ratioToSharp).toBeGreaterThan(0.3);
    expect(imagesPerSecond / sharp.imagesPerSecond).toBeGreaterThan(0.3);
    expect(residentBytes).toHaveLength(3);
    // A round decodes 40 MB and gives 39 MB of batches: two that stayed would be 78.
    expect(residentBytes[2]! - residentBytes[0]!).toBeLessThan(60e6);
  });

  it('refuse what makes no sense', async () => {
    await expect(benchProcess('step', '--layer', 'dyconf')).rejects.toThrow('did you mean dyconv?');
    await expect(benchProcess('layer', '--model', 'resnet10', '--in', '3')).rejects.toThrow('cannot be used with');
    await expect(bench('moe', '--k', '9')).rejects.toThrow('k must be a whole number from 1 to the 8 experts, got 9');
  });
});

describe('turns', () => {
  const samples = (...seconds: number[]): Sample[] =>
    seconds.map((each) => ({ seconds: each, processorSeconds: 2 * each, bytes: 10 * each }));

  it('are taken one after the other, and the first do not count', async () => {
    const order: string[] = [];
    const subject = (name: string) => (round: number) => {
      order.push(`${name}${round}`);
      return samples(order.length);
    };
    const { a, b } = await inTurns({ a: subject('a'), b: subject('b') }, 2, 1);
    expect(order).toEqual(['a-1', 'b-1', 'a0', 'b0', 'a1', 'b1']);
    expect(a.rounds).toEqual([samples(3), samples(5)]);
    expect(b.rounds).toEqual([samples(4), samples(6)]);
  });

  it('come to medians, and to a ratio of rounds', () => {
    const mine = new Measured([samples(2, 4, 6), samples(10)]);
    expect(mine.cost).toEqual({ seconds: 5, processorSeconds: 10, spread: (7 - 3.5) / 5 });
    expect(mine.mostBytes).toBe(100);
    expect(mine.ratioTo(new Measured([samples(1), samples(5)]))).toBe((4 + 2) / 2);
    expect(mine.ratioTo(undefined)).toBeNull();
  });

  it('have a spread: the distance of the quartiles over the median', () => {
    expect(spread([5, 2, 3, 4, 1])).toBe(2 / 3);
    expect(spread([7])).toBe(0);
  });
});

describe('the roof', () => {
  it('is what takes longer at the peaks of the machine, over the measured time', () => {
    const { flopsPerSecond, bytesPerSecond } = machinePeaks();
    const work = { macs: flopsPerSecond / 2, parameters: (0.5 * bytesPerSecond) / 4 }; // a second; half a second
    const found = roofline(work, 'forward', 2);
    expect(found.gigaflops).toBeCloseTo(flopsPerSecond / 2 / 1e9);
    expect(found).toMatchObject({ bound: 'arithmetic', share: 0.5 });
    expect(roofline({ ...work, parameters: bytesPerSecond }, 'forward', 2)).toMatchObject({
      bound: 'memory',
      share: 2,
    });
  });

  it('is that of three products and what they read and write with backward; of a step, with the optimizer too', () => {
    const { bytesPerSecond } = machinePeaks();
    const size = { macs: 0, input: 10, output: 20, parameters: 7 };
    const bytes = (pass: 'forward' | 'forwardBackward' | 'step'): number =>
      Math.round(roofline(size, pass, 1).share * bytesPerSecond);
    expect(bytes('forward')).toBe(4 * (10 + 20 + 7));
    expect(bytes('forwardBackward')).toBe(4 * (3 * 10 + 2 * 20 + 3 * 7));
    expect(bytes('step')).toBe(4 * (3 * 10 + 2 * 20 + 8 * 7));
    expect(roofline({ ...size, macs: 1e9 }, 'step', 3).gigaflops).toBe(2);
  });
});

describe('the table', () => {
  it('has a column for each name, in order, and a dash for what is not known', () => {
    const rows = [
      { layer: 'static', plan: 'libtorch', seconds: 0.0123, ratioToStatic: 1, bound: 'memory' },
      { layer: 'pad', plan: 'fused', seconds: 1.5, ratioToStatic: null, parameters: 1234 },
    ];
    expect(rowsOf(table(rows))).toEqual([
      'layer | plan | time | × static | bound | parameters',
      expect.stringMatching(/^─/),
      'static | libtorch | 12.3 ms | 1.00 | memory | –',
      'pad | fused | 1.50 s | – | 1.23 k',
    ]);
  });

  it('of all results has every ratio, and says which are at most what they are to be', async () => {
    const layers = [
      { layer: 'static', seconds: 0.6, ratioToStatic: 1, ratioToPython: 0.834 },
      { layer: 'pad-filter', seconds: 0.9, ratioToStatic: 1.5, ratioToPython: 1.22 },
      { layer: 'python-static', seconds: 0.7, ratioToStatic: 1.2, ratioToPython: 1 },
    ];
    const files = {
      'step-resnet18': { results: layers, staticToPython: 0.834 },
      imp: { step: { ratioToStep: 1 }, batch: { ratioToStep: 1.3 }, targetRatio: 1.3, environment: { cores: 2 } },
      'moe-output': {
        results: [
          { layer: 'dense', ratioToDense: 1 },
          { layer: 'moe', ratioToDense: 2.31 },
        ],
      },
      other: { results: [{ layer: 'moe', ratioToDense: 4 }] },
    };
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(cwd, `${name}.json`), JSON.stringify(content));
    expect(rowsOf(await benchProcess('all', '.', '--no-measure')).slice(0, -1)).toEqual([
      'measured | layer | × of | ratio | at most | verdict',
      expect.stringMatching(/^─/),
      'step-resnet18 | static | python | 0.834 | 1.00 | met',
      'step-resnet18 | pad-filter | static | 1.50',
      'step-resnet18 | pad-filter | python | 1.22 | 1.20 | missed',
      'step-resnet18 | python-static | static | 1.20',
      'imp | batch | step | 1.30 | 1.30 | met',
      'moe-output | moe | dense | 2.31 | 2.30 | missed',
    ]);
    writeFileSync(join(cwd, 'step-resnet18.json'), 'a diary');
    await expect(benchProcess('all', '.')).rejects.toThrow(
      'step-resnet18.json is there already and is not a measurement',
    );
  });
});
