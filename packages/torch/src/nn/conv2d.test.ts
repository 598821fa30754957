import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { rampLeaf } from './ramp.fixture.js';

it('is a cross-correlation: stride, padding, groups and bias by hand', () => {
  const layer = new nn.Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 2, stride: 2, padding: 1 });
  layer.loadStateDict(new Map([['weight', tensor([[[[1, 2], [3, 4]]]])], ['bias', tensor([0.5])]])); // prettier-ignore
  // Rows of zeros around [[1, 2], [3, 4]]: the windows hold one element each.
  expectClose(layer.forward(tensor([[[[1, 2], [3, 4]]]])), [[[[4.5, 6.5], [6.5, 4.5]]]]); // prettier-ignore

  const depthwise = new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 1, groups: 2, bias: false });
  depthwise.loadStateDict(new Map([['weight', tensor([[[[2]]], [[[-1]]]])]])); // prettier-ignore
  expectClose(depthwise.forward(tensor([[[[3]], [[5]]]])), [[[[6]], [[-5]]]]);
});

it('has the right gradients', () => {
  for (const options of [
    { inChannels: 2, outChannels: 3, kernelSize: 3, padding: 1, stride: 2 },
    { inChannels: 4, outChannels: 4, kernelSize: [2, 1], groups: 2, dilation: [1, 2], bias: false },
  ] as const satisfies nn.Conv2dOptions[]) {
    const layer = new nn.Conv2d(options).to('float64');
    gradcheck((x) => layer.forward(x), [rampLeaf(2, options.inChannels, 4, 3), ...layer.parameters()]);
  }
});

it('refuses geometries that are none', () => {
  const options = { inChannels: 4, outChannels: 6, kernelSize: 3 };
  const build = (more: Partial<nn.Conv2dOptions>) => () => new nn.Conv2d({ ...options, ...more });
  expect(build({ kernelSize: 0 })).toThrow('kernelSize must be a whole number of at least 1, got 0');
  expect(build({ stride: [1, 0.5] })).toThrow('stride must be');
  expect(build({ padding: -1 })).toThrow('padding must be a whole number of at least 0, got -1');
  expect(build({ groups: 3 })).toThrow('groups 3 must divide inChannels 4 and outChannels 6');
});
