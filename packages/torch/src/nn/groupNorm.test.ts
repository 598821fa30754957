import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { expectProbe } from './probe.fixture.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

it('is that of PyTorch, by outputs and gradients', () => {
  const run = (options: nn.GroupNormOptions, shape: number[], name: keyof typeof references.groupNorm): void => {
    expectProbe(
      new nn.GroupNorm(options),
      [ramp(...shape)],
      (layer, x) => [layer.forward(x)],
      references.groupNorm[name],
    );
  };
  run({ numGroups: 2, numChannels: 4, eps: 1e-3 }, [3, 4, 2, 3], 'plain');
  run({ numGroups: 1, numChannels: 4 }, [2, 4, 5], 'one');
  run({ numGroups: 3, numChannels: 3, affine: false }, [2, 3, 2, 2, 2], 'each');
});

it('normalises each group of channels by itself', () => {
  const layer = new nn.GroupNorm({ numGroups: 2, numChannels: 4, eps: 0 });
  expectClose(layer.forward(tensor([[1, 3, 10, 30]])), [[-1, 1, -1, 1]]);
  gradcheck((x) => layer.to('float64').forward(x), [rampLeaf(2, 4, 3)]);
});

it('refuses groups that do not divide the channels, and other inputs', () => {
  expect(() => new nn.GroupNorm({ numGroups: 3, numChannels: 4 })).toThrow('numGroups 3 must divide numChannels 4');
  expect(() => new nn.GroupNorm({ numGroups: 0, numChannels: 4 })).toThrow('numGroups must be');
  expect(() => new nn.GroupNorm({ numGroups: 2, numChannels: 4 }).forward(ramp(2, 6, 3))).toThrow(
    'GroupNorm expects [batch, 4, …size], got [2, 6, 3]',
  );
  expect(() => new nn.GroupNorm({ numGroups: 2, numChannels: 4 }).forward(ramp(4))).toThrow('got [4]');
});
