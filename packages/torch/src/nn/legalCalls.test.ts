import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { instructionSets, type InstructionSet } from '../testing/instructionSets.js';
import { watchedChild } from '../testing/watchedChild.js';

const child = fileURLToPath(new URL('./legalCalls.test.child.js', import.meta.url));
const long = process.env.PADNET_LONG_TESTS === '1';
const kinds = ['convolution', 'strided1x1', 'transposedConvolution', 'pooling', 'norm', 'linear'] as const;
/** In one process: the fence uses up address space. */
const callsEach = long ? 50 : 20;

async function checkCalls(kind: string, dtype: string, set: InstructionSet): Promise<void> {
  for (let from = 0; from < (long ? 1000 : 20); from += callsEach) {
    const result = await watchedChild(child, [kind, dtype, 1, from, from + callsEach], {
      environment: { ...instructionSets[set], OMP_NUM_THREADS: '2' },
      fenced: true,
    });
    const { worst, calls } = result as { worst: number; calls: number };
    expect(calls).toBe(callsEach);
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(1);
  }
}

describe.each(Object.keys(instructionSets) as InstructionSet[])('legal calls on %s', (set) => {
  it.each(kinds)(
    'stay within their tensors and give the numbers of float64: %s',
    async (kind) => {
      await checkCalls(kind, 'float32', set);
    },
    1_200_000,
  );
});

// oneDNN asks the environment for its instruction set, libtorch the processor: bfloat16 can be tried on the best one
// alone.
describe('legal calls in bfloat16', () => {
  it.each(['convolution', 'strided1x1', 'transposedConvolution', 'linear'])(
    'stay within their tensors and give the numbers of float64: %s',
    async (kind) => {
      await checkCalls(kind, 'bfloat16', 'avx512');
    },
    1_200_000,
  );
});
