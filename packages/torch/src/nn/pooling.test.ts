import { describe, expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

const window = { kernelSize: 3, stride: 2, padding: 1 };
const layers = {
  max: new nn.MaxPool2d(window),
  maxDilatedCeil: new nn.MaxPool2d({ kernelSize: [2, 1], stride: [2, 3], dilation: 2, ceilMode: true }),
  average: new nn.AvgPool2d(window),
  averageWithoutPadding: new nn.AvgPool2d({ ...window, countIncludePad: false }),
  adaptive: new nn.AdaptiveAvgPool2d({ outputSize: [2, 3] }),
} satisfies Record<keyof typeof references.pooling, nn.Layer>;

describe('pooling', () => {
  it.each(Object.keys(layers) as (keyof typeof layers)[])('%s is that of PyTorch, with its gradient', (name) => {
    expectClose(layers[name].forward(ramp(1, 2, 5, 4)).reshape([-1]), references.pooling[name]);
    gradcheck((x) => layers[name].forward(x), [rampLeaf(1, 2, 5, 4)]);
  });

  it('by hand: the stride is the kernel, padding is no maximum', () => {
    const input = tensor([[[[-1, -2, -3], [-4, -5, -6]]]]); // prettier-ignore
    expectClose(new nn.MaxPool2d({ kernelSize: 2 }).forward(input), [[[[-1]]]]);
    // prettier-ignore
    expectClose(new nn.MaxPool2d({ kernelSize: 2, padding: 1 }).forward(input), [[[[-1, -2], [-4, -5]]]]);
    expectClose(new nn.AvgPool2d({ kernelSize: 2, ceilMode: true }).forward(input), [[[[-3, -4.5]]]]);
    expectClose(new nn.AdaptiveAvgPool2d({ outputSize: 1 }).forward(input), [[[[-3.5]]]]);
  });

  const half = { kernelSize: 2, padding: 1 };
  it.each([
    ['max', new nn.MaxPool1d(half), new nn.MaxPool3d(half)],
    ['average', new nn.AvgPool1d(half), new nn.AvgPool3d(half)],
    ['adaptive', new nn.AdaptiveAvgPool1d({ outputSize: 2 }), new nn.AdaptiveAvgPool3d({ outputSize: 2 })],
  ] as const)('%s over one dimension and over three, by hand', (name, along, through) => {
    const expected = { max: [-1, -2, -4], average: [-0.5, -2.5, -2], adaptive: [-1.5, -3.5] }[name];
    const signal = tensor([[[-1, -2, -3, -4]]]); // prettier-ignore
    expectClose(along.forward(signal), [[expected]]);
    gradcheck((x) => along.forward(x), [rampLeaf(1, 2, 4)]);
    // The same along each dimension in turn, constant along the others, where nothing is padded for the average.
    const volume = signal.reshape([1, 1, 4, 1, 1]).expand([1, 1, 4, 3, 3]);
    const pooled = through.forward(volume);
    expectClose(pooled.select(3, 1).select(3, 1).flatten(), expected);
    expectClose(through.forward(volume.transpose(2, 4)).select(2, 1).select(2, 1).flatten(), expected);
    gradcheck((x) => through.forward(x), [rampLeaf(1, 1, 3, 2, 3)]);
  });

  it('refuses windows that are none', () => {
    expect(() => new nn.MaxPool2d({ kernelSize: 0 })).toThrow('kernelSize must be');
    expect(() => new nn.MaxPool2d({ kernelSize: 2, dilation: 0 })).toThrow('dilation must be');
    expect(() => new nn.AvgPool2d({ kernelSize: 2, stride: 0 })).toThrow('stride must be');
    expect(() => new nn.AvgPool2d({ kernelSize: [2, 3], padding: [1, 2] })).toThrow(
      'padding must be at most half of kernelSize [2, 3], got [1, 2]',
    );
    expect(() => new nn.AdaptiveAvgPool2d({ outputSize: [1, 0] })).toThrow('outputSize must be');
  });
});
