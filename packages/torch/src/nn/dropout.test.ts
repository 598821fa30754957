import { expect, it } from 'vitest';
import { manualSeed, nn, ones } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';

it('drops a share p and scales the rest, by the default generator', () => {
  const layer = new nn.Dropout({ p: 0.25 });
  const draw = (seed: number): number[] => {
    manualSeed(seed);
    return layer.forward(ones([10_000])).toArray();
  };
  const values = draw(7);
  const dropped = values.filter((value) => value === 0).length;
  expect(dropped).toBeGreaterThan(2_350); // 2500 ± 3.5 standard deviations
  expect(dropped).toBeLessThan(2_650);
  expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
  expect(draw(7)).toEqual(values);
  expect(draw(8)).not.toEqual(values);
});

it('changes nothing in evaluation, and drops all at p = 1', () => {
  const layer = new nn.Dropout().eval();
  expect(layer.p).toBe(0.5);
  expectClose(layer.forward(ramp(5)), ramp(5));
  expectClose(new nn.Dropout({ p: 1 }).forward(ramp(5)), [0, 0, 0, 0, 0]);
});

it('has the right gradient', () => {
  const layer = new nn.Dropout();
  gradcheck((x) => (manualSeed(1), layer.forward(x)), [rampLeaf(8)]);
});

it('refuses what is no probability', () => {
  expect(() => new nn.Dropout({ p: -0.1 })).toThrow('p must be between 0 and 1, got -0.1');
});
