import { expect, it } from 'vitest';
import { checkHistory, digestOf } from './history.js';

const step = (index: number, loss = 0.5): string =>
  JSON.stringify({
    type: 'step',
    epoch: 1,
    step: index,
    totalSteps: 9,
    loss,
    learningRate: 0.1,
    samples: 8,
    seconds: 1,
  });
const epoch = JSON.stringify({
  type: 'epoch',
  ...{ epoch: 1, epochs: 3, step: 3, trainLoss: 1, testLoss: 1, testScore: 0.5, testMetrics: { accuracy: 0.5 } },
});
const told = [step(1), step(2), step(3), epoch, step(4)];
const state = { events: told.length, step: 4, history: digestOf(told) };
/** As an older version left it. */
const old = { ...state, history: null };

const check = (lines: readonly string[], of: typeof state | typeof old, allowChanges = false) =>
  checkHistory({ file: 'runs/a/metrics.jsonl', lines }, of, allowChanges);

it.each([state, old])('takes what was told, and drops what comes after the checkpoint', (of) => {
  const whole = { lines: told, digest: digestOf(told), change: null };
  expect(check(told, of)).toEqual(whole);
  expect(check([...told, step(5), 'null', '{"type":"st'], of)).toEqual(whole);
});

it.each<[string, readonly string[], string, number]>([
  ['a line null', told.with(1, 'null'), ':2: damaged: expected one JSON event per line', 4],
  ['a line that was cut', told.with(3, epoch.slice(0, 30)), ':4: damaged: expected one JSON event per line', 4],
  ['an empty line', told.with(0, ''), ':1: damaged: expected one JSON event per line', 4],
  ['a file that was deleted', [], ' has 0 of the 5 events that the checkpoint knows of', 0],
  ['a file that was shortened', told.slice(0, 2), ' has 2 of the 5 events that the checkpoint knows of', 2],
  [
    'a line that is missing',
    [...told.slice(0, 1), ...told.slice(2), step(5)],
    ' has other events than the checkpoint knows of',
    4,
  ],
  ['a line that is there twice', [step(1), ...told], ' has other events than the checkpoint knows of', 5],
  ['lines in another order', [step(2), step(1), ...told.slice(2)], ' has other events than the checkpoint knows of', 4],
])('refuses %s, or where that is allowed goes on with what is left', (_, lines, problem, left) => {
  for (const of of [state, old]) {
    if (of === old && problem.includes('other events') && left === 4 && lines.length > 5) continue;
    expect(() => check(lines, of)).toThrow(
      `runs/a/metrics.jsonl${problem}; ` +
        'the checkpoint is whole: put the file back as it was, or go on with what is left',
    );
    const { lines: kept, change } = check(lines, of, true);
    expect(kept).toHaveLength(left);
    expect(told.filter((line) => kept.includes(line))).toEqual(kept);
    expect(change).toEqual({ what: 'metrics.jsonl', before: '5 events', now: `${left} that can be read` });
  }
});

it('notices a number that was changed', () => {
  const lines = told.with(2, step(3, 0.4));
  expect(() => check(lines, state)).toThrow(' has other events than the checkpoint knows of; ');
  expect(check(lines, state, true).lines).toEqual(lines);
});
