import { expect, it } from 'vitest';
import { annealedTemperature } from './temperature.js';

it('falls linearly and stays', () => {
  const at = (step: number): number => annealedTemperature(step, { start: 30, end: 1, steps: 10 });
  expect([0, 1, 5, 9, 10, 11, 1e6].map(at)).toEqual([30, 27.1, 15.5, 3.8999999999999986, 1, 1, 1]);
});

it('is at its end from the first step where there is nothing to anneal', () => {
  expect(annealedTemperature(0, { start: 30, end: 1, steps: 0 })).toBe(1);
});
