/** `padnet bench`: what scripts read of it, at sizes that take a second. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { padnet, type Finished } from './padnetProcess.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-bench-'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const bench = (...parameters: string[]): Promise<CommandResult> => runCommand(['bench', ...parameters], { cwd });
/** For what is measured of a process. */
const benchProcess = (...parameters: string[]): Promise<Finished> => padnet(['bench', ...parameters], { cwd });

/** What it prints with `--json`. */
async function measured<T>(...parameters: string[]): Promise<T> {
  return result(await bench(...parameters, '--json')) as T;
}

function result({ code, stdout, stderr }: Finished): unknown {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** A network that runs in milliseconds. */
const small = ['--model', 'resnet10', '--size', '32', '--batch', '2', '--width', '8', '--classes', '10'];

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

describe('padnet bench', () => {
  it('measures the dispatcher', async () => {
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

  it('measures training steps, each kind in its own process', async () => {
    const quick = ['--steps', '2', '--repeats', '2', '--no-python'];
    const { results } = await measured<{ results: Record<string, number>[] }>(
      'step',
      ...small,
      ...quick,
      '--layer',
      'static,dyconv,pad',
    );
    expect(results.map(({ layer }) => layer)).toEqual(['static', 'dyconv', 'pad']);
    for (const result of results) {
      expect(Object.keys(result)).toEqual(
        expect.arrayContaining([
          'layer',
          'seconds',
          'imagesPerSecond',
          'peakMemoryBytes',
          'parameters',
          'spread',
          'ratioToPython',
          'ratioToStatic',
        ]),
      );
      expect(result.passes).toBe(4);
      expect(result.imagesPerSecond).toBeCloseTo(2 / result.seconds!);
      expect(result.peakMemoryBytes).toBeGreaterThan(50e6);
      expect(result.peakMemoryBytes).toBeLessThan(1e9);
    }
    const [fixed, dynamic, partial] = results.map((result) => result.parameters!);
    expect(fixed).toBeLessThan(partial!);
    expect(partial).toBeLessThan(dynamic!);
    expect(results[0]!.ratioToStatic).toBe(1);
  });

  it('measures inference', async () => {
    const quick = ['--steps', '2', '--repeats', '2', '--no-python', '--layer', 'static,pad-filter'];
    const found = await measured<{
      pass: string;
      results: (Roofline & { layer: string; seconds: number; ratioToStatic: number; ratioToPython: null })[];
      peaks: Record<string, number>;
    }>('inference', ...small, ...quick);
    expect(found.pass).toBe('inference');
    expect(found.results.map(({ layer }) => layer)).toEqual(['static', 'pad-filter']);
    expect(found.peaks.flopsPerSecond).toBeGreaterThan(1e8);
    for (const result of found.results) {
      expect(result.seconds).toBeGreaterThan(0);
      expect(result.ratioToPython).toBeNull();
      expectRoof(result);
    }
    expect(found.results[0]!.ratioToStatic).toBe(1);
  });

  const convolution = ['--in', '8', '--out', '8', '--size', '6', '--batch', '2', '--repeats', '2'];

  it('measures a layer by every plan that was asked for', async () => {
    const plans = ['fused', 'perSample', 'perKernel'];
    const { convolutions, numKernels } = await measured<{
      convolutions: {
        geometry: object;
        size: number;
        results: {
          layer: string;
          plan: string | null;
          forward: Roofline;
          forwardBackward: Roofline & { seconds: number; ratioToStatic: number };
          parameters: number;
          peakMemoryBytes: number;
        }[];
      }[];
      numKernels: number;
    }>('layer', ...convolution, '--plan', plans.join());
    expect(numKernels).toBe(4);
    expect(convolutions).toMatchObject([{ geometry: { inChannels: 8, padding: [1, 1], stride: [1, 1] }, size: 6 }]);
    const { results } = convolutions[0]!;
    expect(results.map(({ layer, plan }) => [layer, plan])).toEqual([
      ['static', null],
      ...['dyconv', 'pad', 'pad-filter'].flatMap((layer) => plans.map((plan) => [layer, plan])),
    ]);
    for (const { forward, forwardBackward, peakMemoryBytes } of results) {
      expectRoof(forward);
      expectRoof(forwardBackward);
      expect(forwardBackward.ratioToStatic).toBeGreaterThan(0);
      expect(peakMemoryBytes).toBeGreaterThan(0);
    }
    expect(results[0]!.forwardBackward.ratioToStatic).toBe(1);
    const parametersOf = (layer: string): number => results.find((result) => result.layer === layer)!.parameters;
    expect(parametersOf('static')).toBe(8 * 8 * 9);
    expect(parametersOf('dyconv')).toBe(4 * 8 * 8 * 9);
    for (const layer of ['pad', 'pad-filter']) {
      expect(parametersOf(layer)).toBeGreaterThan(8 * 8 * 9);
      expect(parametersOf(layer)).toBeLessThan(4 * 8 * 8 * 9);
    }
  });

  it('measures a layer by every plan that it has, without being told', async () => {
    const { code, stdout } = await bench('layer', ...convolution, '--layer', 'static,dyconv,pad,pad-filter');
    expect(code).toBe(0);
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2).join(' '));
    for (const row of ['static libtorch', 'dyconv perKernel', 'pad fused', 'pad-filter structured'])
      expect(rows).toContain(row);
    expect(rows).not.toContain('pad structured');
    expect(rows).not.toContain('dyconv static');
    expect(stdout).toContain("the roof: the static convolution's arithmetic at ");
  });

  it('measures every distinct convolution of a network but the first', async () => {
    const quick = [
      '--model',
      'resnet10',
      '--size',
      '32',
      '--batch',
      '1',
      '--repeats',
      '1',
      '--layer',
      'static,pad-filter',
    ];
    const { code, stdout } = await bench('layer', ...quick, '--plan', 'fused,structured');
    expect(code).toBe(0);
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
    const [heading, , ...table] = rows.slice(rows.findIndex(([first]) => first === 'convolution'));
    expect(heading).toEqual(['convolution', 'layers', 'static', 'pad-filter', 'pad-filter structured']);
    expect(table.map(([name]) => name)).toContain('64 → 128, 1×1, stride 2, 8²');
    const counts = table.filter((row) => row.length === 5).map(([name, count]) => [name, Number(count)] as const);
    const [last] = counts.slice(-1);
    expect(last).toEqual(['all', counts.slice(0, -1).reduce((sum, [, count]) => sum + count, 0)]);
    // Four blocks of two convolutions, three of which change the shape.
    expect(last![1]).toBe(4 * 2 + 3);
    for (const row of table.filter((cells) => cells.length === 5)) expect(row[2]).toMatch(/^[\d.]+ [µm]?s$/);
  });

  it('measures rounds of the partition', async () => {
    const quick = ['--batches', '2', '--steps', '1', '--repeats', '2', '--rounds', '2', '--granularity', 'filter'];
    interface Time {
      readonly seconds: number;
      readonly ratioToStep: number;
      readonly workingMemoryBytes: number;
    }
    const costs = await measured<Record<'step' | 'unmaskedStep' | 'scoring' | 'choosing' | 'batch', Time>>(
      'imp',
      ...small,
      ...quick,
    );
    expect(costs).toMatchObject({ rounds: 2, granularity: 'filter', batches: 2, targetRatio: 1.3 });
    for (const part of ['step', 'unmaskedStep', 'scoring', 'choosing', 'batch'] as const) {
      expect(costs[part].seconds).toBeGreaterThan(0);
      expect(costs[part].workingMemoryBytes).toBeGreaterThan(0);
    }
    expect(costs.step.ratioToStep).toBe(1);
    expect(costs.batch.seconds).toBeGreaterThan(costs.scoring.seconds);
  });

  it('measures mixtures of experts beside a dense layer', async () => {
    const sizes = ['--tokens', '16', '--in', '8', '--out', '16', '--experts', '4', '--repeats', '2'];
    const { results, peaks } = await measured<{
      results: (Roofline & { layer: string; ratioToDense: number | null })[];
      peaks: object;
    }>('moe', ...sizes);
    expect(Object.keys(peaks)).toEqual(['flopsPerSecond', 'bytesPerSecond']);
    expect(results.map(({ layer }) => layer)).toEqual(['dense', 'moe', 'pad', 'pad-neuron']);
    for (const result of results) expectRoof(result);
    expect(results[0]!.ratioToDense).toBe(1);
    const { stdout } = await bench('moe', ...sizes, '--layer', 'moe,pad-neuron');
    expect(stdout).toMatch(/^16 tokens, 8 → 16, top 2 of 4, κ = 0.5, /);
    expect(stdout).toMatch(/^moe +[\d.]+ .s +– /m);
    expect(await bench('moe', ...sizes, '--k', '5')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'padnet: --k: 5 of 4 experts can not be chosen; give at most 4\n',
    });
  });

  it('measures the loader', async () => {
    const { results } = await measured<{ results: { workers: number; imagesPerSecond: number }[] }>(
      'loader',
      '--workers',
      '0,1',
      '--images',
      '500',
      '--repeats',
      '1',
    );
    expect(results.map(({ workers }) => workers)).toEqual([0, 1]);
    for (const { imagesPerSecond } of results) expect(imagesPerSecond).toBeGreaterThan(0);
  });

  it('measures a folder of pictures beside sharp, in memory that does not grow', async () => {
    const size = ['--images', '64', '--batch', '8', '--repeats', '3'];
    const { bytesPerPicture, sharp, results, residentBytes } = result(
      await benchProcess('loader', '--files', '--workers', '1', ...size, '--json'),
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
    const { stdout } = await benchProcess(
      'loader',
      '--files',
      '--workers',
      '0',
      '--images',
      '8',
      '--batch',
      '4',
      '--repeats',
      '1',
    );
    expect(stdout).toMatch(/^8 JPEGs of 500×375, [\d.]+ kB each, to 224×224\n/);
    expect(stdout).toMatch(/\nsharp alone +\d+ +0\.0 % +1\.00\n0 workers +/);
    expect(stdout).toMatch(/\nresident memory after each round: [\d.]+ MB\n$/);
  });
});
