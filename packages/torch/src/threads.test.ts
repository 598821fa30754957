import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { getNumThreads, libtorchVersion, ops, setNumThreads, zeros } from './index.js';

it('starts with as many threads as OMP_NUM_THREADS says, or the machine has', () => {
  expect(getNumThreads()).toBe(Number(process.env.OMP_NUM_THREADS ?? availableParallelism()));
});

it('sets and checks the number of threads', () => {
  const before = getNumThreads();
  setNumThreads(1);
  expect(getNumThreads()).toBe(1);
  expect(
    ops
      .matmul(zeros([64, 64]), zeros([64, 64]))
      .sum()
      .item(),
  ).toBe(0);
  setNumThreads(before);
  for (const wrong of [0, -1, 1025, 1.5, NaN]) {
    expect(() => {
      setNumThreads(wrong);
    }).toThrow();
  }
  expect(getNumThreads()).toBe(before);
});

it('says which libtorch it is', () => {
  expect(libtorchVersion().version).toMatch(/^\d+\.\d+\.\d+/);
  expect(libtorchVersion().configuration).toContain('OpenMP');
});
