import { describe, expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

describe('batch norm', () => {
  it.each([
    ['plain', {}],
    ['cumulative', { momentum: null, eps: 0.1 }],
    ['batchOnly', { trackRunningStats: false }],
  ] as const)('%s: outputs and running statistics are those of PyTorch', (name, options) => {
    const layer = new nn.BatchNorm2d({ numFeatures: 2, ...options }).to('float64');
    const expected = references.batchNorm2d[name];
    const flat = (input: ReturnType<typeof ramp>) => layer.forward(input).reshape([-1]);
    expectClose(flat(ramp(2, 2, 2, 2)), expected.first);
    expectClose(flat(ramp(2, 2, 2, 2).mul(3).add(1)), expected.second);
    layer.eval();
    expectClose(flat(ramp(2, 2, 2, 2)), expected.evaluated);
    const running = new Map<string, readonly number[]>(Object.entries(expected.state));
    for (const [key, value] of layer.stateDict()) {
      if (key !== 'weight' && key !== 'bias') expectClose(value.reshape([-1]), running.get(key)!);
    }
    expect([...layer.stateDict().keys()].slice(2)).toEqual([...running.keys()]);
  });

  it('normalises the batch by hand: mean 2, variance 1', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 1, eps: 0 });
    expectClose(layer.forward(tensor([[[[1, 3]]]])), [[[[-1, 1]]]]);
    expectClose(layer.runningMean!, [0.2]);
    expectClose(layer.runningVar!, [0.9 + 0.1 * 2]);
    expect(layer.numBatchesTracked!.item()).toBe(1);
    expect(layer.numBatchesTracked!.dtype).toBe('int64');
  });

  it('leaves the running statistics alone in evaluation', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 2 }).eval();
    layer.forward(ramp(2, 2, 2, 2).to('float32'));
    expectClose(layer.runningMean!, [0, 0]);
    expect(layer.numBatchesTracked!.item()).toBe(0);
  });

  it('has the right gradients, training and evaluating', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 2 }).to('float64');
    gradcheck((x) => layer.forward(x), [rampLeaf(3, 2, 2, 2), ...layer.parameters()]);
    layer.eval();
    gradcheck((x) => layer.forward(x), [rampLeaf(3, 2, 2, 2), ...layer.parameters()]);
  });

  it.each([
    ['BatchNorm1d', nn.BatchNorm1d, [5, 2]],
    ['BatchNorm1d', nn.BatchNorm1d, [3, 2, 5]],
    ['BatchNorm3d', nn.BatchNorm3d, [2, 2, 3, 1, 2]],
  ] as const)('%s normalises each channel over all else, residual and activation included', (_, Norm, shape) => {
    const [batch, channels, ...size] = shape as readonly number[];
    const plane = [batch!, channels!, size.reduce((product, each) => product * each, 1), 1];
    const [layer, plain] = [Norm, nn.BatchNorm2d].map((Kind) =>
      new Kind({ numFeatures: 2, activation: 'relu', eps: 0.1 }).to('float64'),
    );
    const [input, residual] = [rampLeaf(...shape), rampLeaf(...shape)];
    expectClose(
      layer!.forward(input, residual),
      plain!.forward(input.reshape(plane), residual.reshape(plane)).reshape(shape),
    );
    expectClose(layer!.runningVar!, plain!.runningVar!);
    expectClose(layer!.eval().forward(input), plain!.eval().forward(input.reshape(plane)).reshape(shape));
    expect(layer!.forward(input.narrow(0, 0, 0)).shape).toEqual([0, ...shape.slice(1)]);
    layer!.train();
    gradcheck((x) => layer!.forward(x), [input, ...layer!.parameters()]);
  });

  it('refuses bad options and inputs', () => {
    expect(() => new nn.BatchNorm2d({ numFeatures: 0 })).toThrow('numFeatures must be');
    expect(() => new nn.BatchNorm2d({ numFeatures: 1, momentum: 2 })).toThrow(
      'momentum must be between 0 and 1, got 2',
    );
    expect(() => new nn.BatchNorm2d({ numFeatures: 1, eps: -1 })).toThrow('eps must be');
    expect(() => new nn.BatchNorm2d({ numFeatures: 2 }).forward(ramp(3, 2))).toThrow(
      'BatchNorm2d expects [batch, channels, height, width], got [3, 2]',
    );
    expect(() => new nn.BatchNorm1d({ numFeatures: 2 }).forward(ramp(3, 2, 1, 1))).toThrow(
      'BatchNorm1d expects [batch, channels] or [batch, channels, length], got [3, 2, 1, 1]',
    );
  });
});
