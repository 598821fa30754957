import { expect, it } from 'vitest';
import { rankedClasses } from './answers.js';

it('ranks classes by their probability, of equal ones the first first', () => {
  const classes = rankedClasses([0, Math.log(3), 0, Math.log(3)], ['a', 'b', 'c', 'd']);
  expect(classes.map(({ label }) => label)).toEqual(['b', 'd', 'a', 'c']);
  const expected = [3 / 8, 3 / 8, 1 / 8, 1 / 8];
  for (const [index, { probability }] of classes.entries()) expect(probability).toBeCloseTo(expected[index]!, 15);
});

it('computes with logits of any size, in double precision', () => {
  const [first, second] = rankedClasses([1000, 1000 - Math.log(1e12)], ['a', 'b']);
  expect(first!.probability).toBeCloseTo(1, 11);
  expect(second!.probability / 1e-12).toBeCloseTo(1, 3);
  expect(rankedClasses([-1000], ['a'])).toEqual([{ label: 'a', probability: 1 }]);
});
