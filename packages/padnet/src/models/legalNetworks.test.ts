import { fileURLToPath } from 'node:url';
import { instructionSets, watchedChild, type InstructionSet } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { modelNames } from './createModel.js';
import { familyNames } from './text/index.js';

const child = fileURLToPath(new URL('./legalNetworks.test.child.js', import.meta.url));
const names = [...modelNames, ...familyNames];
const long = process.env.PADNET_LONG_TESTS === '1';

describe.each(Object.keys(instructionSets) as InstructionSet[])('a step of every network on %s', (set) => {
  it.each(long ? names : [names.join(',')])(
    'stays within its tensors and is finite: %s',
    async (some) => {
      const { count } = (await watchedChild(child, [some, long ? 'all' : 'few'], {
        environment: { ...instructionSets[set], OMP_NUM_THREADS: '2' },
        fenced: long, // which takes four times as long
      })) as { count: number };
      expect(count).toBeGreaterThanOrEqual(long ? 9 : 3 * names.length);
    },
    1_200_000,
  );
});
