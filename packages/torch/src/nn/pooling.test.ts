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
    expectClose(new nn.MaxPool2d({ kernelSize: 2, padding: 1 }).forward(input), [[[[-1, -2], [-4, -5]]]]); // prettier-ignore
    expectClose(new nn.AvgPool2d({ kernelSize: 2, ceilMode: true }).forward(input), [[[[-3, -4.5]]]]);
    expectClose(new nn.AdaptiveAvgPool2d({ outputSize: 1 }).forward(input), [[[[-3.5]]]]);
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
