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

it('is one dimension less where the kernel spans one position of it: 1-D in 2-D in 3-D, by value and gradient', () => {
  const sizes = { kernelSize: 3, stride: 2, padding: 1, dilation: 2, groups: 2 };
  const channels = { inChannels: 4, outChannels: 6 };
  const conv1d = new nn.Conv1d({ ...channels, ...sizes }).to('float64');
  const sizes2d = { kernelSize: [1, 3], stride: [1, 2], padding: [0, 1], dilation: [1, 2] } as const;
  const conv2d = new nn.Conv2d({ ...channels, groups: 2, ...sizes2d });
  // prettier-ignore
  conv2d.to('float64').loadStateDict(new Map([['weight', conv1d.weight.unsqueeze(2)], ['bias', conv1d.bias!]]));
  const signal = rampLeaf(2, 4, 9);
  expect(conv1d.weight.shape).toEqual([6, 2, 3]);
  expect(conv1d.forward(signal).shape).toEqual([2, 6, 4]);
  expectClose(conv1d.forward(signal), conv2d.forward(signal.unsqueeze(2)).squeeze(2));
  gradcheck((x) => conv1d.forward(x), [signal, ...conv1d.parameters()]);

  const sizes3d = { kernelSize: [1, 3, 2], stride: [1, 2, 1], padding: [0, 1, 1], dilation: 1 } as const;
  const conv3d = new nn.Conv3d({ ...channels, groups: 2, ...sizes3d });
  const flat = new nn.Conv2d({ ...channels, groups: 2, kernelSize: [3, 2], stride: [2, 1], padding: 1 }).to('float64');
  // prettier-ignore
  conv3d.to('float64').loadStateDict(new Map([['weight', flat.weight.unsqueeze(2)], ['bias', flat.bias!]]));
  const volume = rampLeaf(2, 4, 2, 5, 4);
  for (const depth of [0, 1])
    expectClose(conv3d.forward(volume).select(2, depth), flat.forward(volume.select(2, depth)));
  const deep = new nn.Conv3d({ inChannels: 2, outChannels: 2, kernelSize: [2, 1, 2], padding: [1, 0, 0], bias: false });
  gradcheck((x) => deep.forward(x), [rampLeaf(1, 2, 2, 2, 3), ...deep.to('float64').parameters()]);
});

it('refuses geometries that are none', () => {
  const options = { inChannels: 4, outChannels: 6, kernelSize: 3 };
  const build = (more: Partial<nn.Conv2dOptions>) => () => new nn.Conv2d({ ...options, ...more });
  expect(build({ kernelSize: 0 })).toThrow('kernelSize must be a whole number of at least 1, got 0');
  expect(build({ stride: [1, 0.5] })).toThrow('stride must be');
  expect(build({ padding: -1 })).toThrow('padding must be a whole number of at least 0, got -1');
  expect(() => new nn.Conv3d({ ...options, stride: [1, 2] as never })).toThrow(
    'stride must be a number or 3 of them, got [1, 2]',
  );
  expect(build({ groups: 3 })).toThrow('groups 3 must divide inChannels 4 and outChannels 6');
});
