import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { expectProbe } from './probe.fixture.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

it('is that of PyTorch, by outputs and gradients, over one to three dimensions', () => {
  expectProbe(
    new nn.ConvTranspose1d({
      ...{ inChannels: 4, outChannels: 6, kernelSize: 3 },
      ...{ stride: 2, padding: 1, outputPadding: 1, groups: 2 },
    }),
    [ramp(2, 4, 5)],
    (layer, x) => [layer.forward(x)],
    references.convTranspose['1d'],
  );
  expectProbe(
    new nn.ConvTranspose2d({
      ...{ inChannels: 2, outChannels: 3, kernelSize: [3, 2] },
      ...{ stride: [2, 1], dilation: [1, 2], bias: false },
    }),
    [ramp(2, 2, 3, 4)],
    (layer, x) => [layer.forward(x)],
    references.convTranspose['2d'],
  );
  expectProbe(
    new nn.ConvTranspose3d({ inChannels: 2, outChannels: 2, kernelSize: 2, stride: 2, padding: 1 }),
    [ramp(1, 2, 3, 2, 3)],
    (layer, x) => [layer.forward(x)],
    references.convTranspose['3d'],
  );
});

it('spreads each element over the output: by hand', () => {
  const layer = new nn.ConvTranspose2d({ inChannels: 1, outChannels: 1, kernelSize: 2, stride: 2 });
  layer.loadStateDict(new Map([['weight', tensor([[[[1, 2], [3, 4]]]])], ['bias', tensor([0.5])]])); // prettier-ignore
  // prettier-ignore
  expectClose(layer.forward(tensor([[[[1, 10]]]])), [[[[1.5, 2.5, 10.5, 20.5], [3.5, 4.5, 30.5, 40.5]]]]);
  gradcheck((x) => layer.to('float64').forward(x), [rampLeaf(2, 1, 2, 3)]);
});

it('refuses geometries that are none', () => {
  const build = (more: Partial<nn.ConvTransposeOptions<nn.Pair>>) => () =>
    new nn.ConvTranspose2d({ inChannels: 4, outChannels: 6, kernelSize: 3, ...more });
  expect(build({ groups: 3 })).toThrow('groups 3 must divide inChannels 4 and outChannels 6');
  expect(build({ stride: 0 })).toThrow('stride must be');
  expect(build({ stride: [2, 1], outputPadding: 1 })).toThrow(
    'outputPadding [1, 1] must be less than stride [2, 1] or dilation [1, 1]',
  );
  expect(build({ outputPadding: -1 })).toThrow('outputPadding must be a whole number of at least 0, got -1');
});
