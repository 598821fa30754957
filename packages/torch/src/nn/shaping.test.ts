import { expect, it } from 'vitest';
import { nn } from '../index.js';
import { gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';

it('Identity gives its input back', () => {
  const input = ramp(2, 3);
  expect(new nn.Identity().forward(input)).toBe(input);
});

it('Flatten joins dimensions, values in order', () => {
  const input = ramp(2, 3, 2, 2);
  expect(new nn.Flatten().forward(input).shape).toEqual([2, 12]);
  expect(new nn.Flatten().forward(input).toArray()).toEqual(input.toArray());
  expect(new nn.Flatten({ startDim: 0, endDim: 1 }).forward(input).shape).toEqual([6, 2, 2]);
  gradcheck((x) => new nn.Flatten().forward(x), [rampLeaf(2, 2, 2)]);
  expect(() => new nn.Flatten({ endDim: NaN })).toThrow('endDim must be a whole number, got NaN');
});
