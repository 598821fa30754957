import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { liveTensors, scope, tensor, type Tensor } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { listCheckpoints, loadLatestCheckpoint, removeIncomplete, saveCheckpoint } from './checkpoint.js';
import { inFirstFormat } from './pictures.test.fixture.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-checkpoint-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const state = (step: number, events = step) => ({
  step,
  epoch: 1,
  batch: 3,
  averageUpdates: 0,
  best: null,
  partitioned: true,
  scheduleStart: 'afterWarmup' as const,
  events,
  lossSum: 0.1 + 0.2,
  samples: 24,
  stepSeconds: 0.5,
  waitSeconds: 0.25,
  trainingSeconds: 1 / 3,
  optimizer: { learningRateScale: 0.1, 'step.weight': step },
  threads: 1,
  fingerprint: { settings: { training: { epochs: 3, learningRate: 0.1 } }, parts: { threads: '1' } },
  history: 'ab',
});
const tensors = (value: number): Map<string, Tensor> =>
  new Map([
    ['network.weight', tensor([value, -value, 0.1])],
    ['random', tensor([1, 2], { dtype: 'uint8' })],
  ]);
const save = (step: number, events = step): string =>
  scope(() => saveCheckpoint(folder, state(step, events), tensors(step)));
const files = (): string[] => readdirSync(folder).sort();
const names = (step: number, events = step): string[] =>
  ['json', 'safetensors'].map(
    (end) => `step-${String(step).padStart(7, '0')}-${String(events).padStart(8, '0')}.${end}`,
  );

describe('saved and loaded', () => {
  it('gives everything back exactly', () => {
    const file = save(7, 12);
    expect(file).toBe(join(folder, 'step-0000007-00000012.json'));
    expect(files()).toEqual(names(7, 12));
    scope(() => {
      const loaded = loadLatestCheckpoint(folder)!;
      expect(loaded.file).toBe(file);
      expect(loaded.state).toMatchObject(state(7, 12));
      expect([...loaded.tensors.keys()].sort()).toEqual(['network.weight', 'random']);
      expect(loaded.tensors.get('network.weight')!.toArray()).toEqual([7, -7, Math.fround(0.1)]);
      expect(loaded.tensors.get('random')!.dtype).toBe('uint8');
    });
  });

  it('has none in an empty folder, or without one', () => {
    expect(loadLatestCheckpoint(folder)).toBeNull();
    expect(loadLatestCheckpoint(join(folder, 'none'))).toBeNull();
  });

  it('takes one that does not say where the schedule began for one of before there was a choice', () => {
    const file = save(7);
    const { scheduleStart, ...older } = JSON.parse(inFirstFormat(readFileSync(file, 'utf8'))) as Record<
      string,
      unknown
    >;
    expect(scheduleStart).toBe('afterWarmup');
    writeFileSync(file, JSON.stringify(older));
    expect(scope(() => loadLatestCheckpoint(folder)!.state.scheduleStart)).toBe('firstStep');
  });

  it('leaks nothing', () => {
    const live = liveTensors();
    save(1);
    scope(() => loadLatestCheckpoint(folder)!.state);
    expect(liveTensors()).toBe(live);
  });
});

describe('old ones', () => {
  it('keeps the newest two', () => {
    for (const step of [1, 2, 9, 10, 100]) save(step);
    expect(files()).toEqual([...names(10), ...names(100)]);
    expect(listCheckpoints(folder)).toEqual(['step-0000010-00000010', 'step-0000100-00000100']);
    expect(scope(() => loadLatestCheckpoint(folder)!.state.step)).toBe(100);
  });

  it('takes of one step the one with more events: after the partition', () => {
    save(5, 6);
    save(5, 9);
    expect(scope(() => loadLatestCheckpoint(folder)!.state.events)).toBe(9);
  });

  it('removes what was never completed, and nothing else', () => {
    save(1);
    writeFileSync(join(folder, names(2)[1]!), 'half');
    writeFileSync(join(folder, 'notes.safetensors'), 'mine');
    expect(scope(() => loadLatestCheckpoint(folder)!.state.step)).toBe(1);
    removeIncomplete(folder);
    expect(files()).toEqual(['notes.safetensors', ...names(1)]);
    removeIncomplete(join(folder, 'none'));
  });
});

it('reads the first format, which knows neither fingerprint nor history', () => {
  const file = save(7, 12);
  writeFileSync(file, inFirstFormat(readFileSync(file, 'utf8')));
  scope(() => {
    const loaded = loadLatestCheckpoint(folder)!;
    expect(loaded.state).toMatchObject({ ...state(7, 12), fingerprint: null, history: null });
  });
});

it('comes after those of its step, though events were lost', () => {
  save(5, 9);
  save(5, 3);
  expect(listCheckpoints(folder)).toEqual(['step-0000005-00000009', 'step-0000005-00000010']);
  expect(scope(() => loadLatestCheckpoint(folder)!.state.events)).toBe(3);
  save(6, 4);
  expect(listCheckpoints(folder).at(-1)).toBe('step-0000006-00000004');
});

describe('damage is told in one line, with what to do, and nothing is changed', () => {
  const [json, data] = names(2) as [string, string];
  const both = `delete ${json} and ${data}`;

  function failure(): string {
    const before = files();
    let message = '';
    try {
      scope(() => loadLatestCheckpoint(folder));
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      ({ message } = error as Error);
    }
    expect(message).not.toContain('\n');
    expect(files()).toEqual(before);
    return message;
  }

  const change = (name: string, edit: (bytes: Buffer) => Buffer): void => {
    const file = join(folder, name);
    writeFileSync(file, edit(readFileSync(file)));
  };

  beforeEach(() => {
    save(1);
    save(2);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, 40)],
    ['empty', () => Buffer.alloc(0)],
    [
      'of another format',
      (bytes) => Buffer.from(bytes.toString().replace('padnet-checkpoint-2', 'padnet-checkpoint-9')),
    ],
    ['with a number that is none', (bytes) => Buffer.from(bytes.toString().replace('"step": 2', '"step": "2"'))],
    ['with another step', (bytes) => Buffer.from(bytes.toString().replace('"step": 2', '"step": 99999999'))],
    [
      'with another setting',
      (bytes) => Buffer.from(bytes.toString().replace('"learningRate": 0.1', '"learningRate": 0.2')),
    ],
    [
      'of the first format, with another step',
      (bytes) => Buffer.from(inFirstFormat(bytes.toString(), (old) => ({ ...old, step: 99999999 }))),
    ],
    ['with a key too many', (bytes) => Buffer.from(bytes.toString().replace('{', '{"more": 1,'))],
  ])('JSON %s', (_, edit) => {
    change(json, edit);
    expect(failure()).toBe(
      `${join(folder, json)}: not a checkpoint (damaged?); ${both} to go on from the checkpoint before`,
    );
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['with a bit changed', (bytes) => bytes.fill(bytes.at(-1)! ^ 1, bytes.length - 1)],
    ['empty', () => Buffer.alloc(0)],
  ])('tensors %s', (_, edit) => {
    change(data, edit);
    expect(failure()).toBe(
      `${join(folder, data)}: damaged, its checksum is not the one in ${json}; ` +
        `${both} to go on from the checkpoint before`,
    );
  });

  it('tensors missing', () => {
    rmSync(join(folder, data));
    expect(failure()).toBe(
      `${join(folder, data)}: expected the tensors of a checkpoint, but there is no such file; ` +
        `${both} to go on from the checkpoint before`,
    );
  });

  it('the advice helps', () => {
    change(json, () => Buffer.alloc(0));
    for (const name of names(2)) rmSync(join(folder, name));
    expect(scope(() => loadLatestCheckpoint(folder)!.state.step)).toBe(1);
    change(names(1)[0]!, () => Buffer.alloc(0));
    expect(failure()).toMatch(/to start from the beginning$/);
  });
});
