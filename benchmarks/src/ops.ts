/** The cost of calling an operator from TypeScript, through libtorch's dispatcher. */
import { noGrad, ones, ops } from '@padnet/torch';
import { callsMeasured, manyCalls, targetMicroseconds } from '../../packages/padnet/dist/analysis/machineSpeed.js';
import { count, measurement } from './command.js';
import { inTurns, mapValues, sample } from './measure.js';

export const addOps = measurement(
  'ops',
  "Measure the cost of calling an operator through libtorch's dispatcher, in microseconds.",
  { repeats: count('--repeats', 'rounds of a few thousand calls of each, in turns', 15) },
  async ({ repeats }) => {
    const [a, b, kernel, picture] = [ones([1]), ones([1]), ones([1, 1, 1, 1]), ones([1, 1, 1, 1])];
    const leaf = ones([1], { requiresGrad: true });
    const calls = {
      add: () => ops.add(a, b),
      'add, recorded for backward': () => ops.add(leaf, b),
      'add in noGrad': () => noGrad(() => ops.add(leaf, b)),
      relu: () => ops.relu(a),
      reshape: () => a.reshape([1, 1]),
      conv2d: () => ops.conv2d(picture, kernel, { stride: [1, 1], padding: [0, 0] }),
    };
    const turns = mapValues(calls, (call: () => unknown) => () => sample(manyCalls(call)));
    const results = Object.entries(await inTurns(turns, repeats, 2)).map(([operator, { cost }]) => {
      const microseconds = (1e6 * cost.seconds) / callsMeasured;
      return { operator, microseconds, spread: cost.spread };
    });
    const callMicroseconds = results[0]!.microseconds;
    return {
      settings: { repeats },
      found: { callMicroseconds, targetMicroseconds, results },
      rows: results,
      note: `a call costs ${callMicroseconds.toFixed(2)} µs; at most ${targetMicroseconds} is the target`,
    };
  },
);
