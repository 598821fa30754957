import { describe, expect, it } from 'vitest';
import { backward, liveTensors, nn, ones, scope, tensor, zeros, type Tensor } from '../index.js';
import { expectClose } from '../testing/index.js';

class Block extends nn.Module {
  readonly conv1 = new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 1, bias: false });
  readonly bn1 = new nn.BatchNorm2d({ numFeatures: 2 });
  readonly extraScale = new nn.Parameter(ones([2]));

  forward(x: Tensor): Tensor {
    return this.bn1.forward(this.conv1.forward(x));
  }
}

describe('Module', () => {
  it('names parameters and buffers as PyTorch does', () => {
    const net = new nn.Sequential(new Block(), new nn.ReLU());
    expect([...net.stateDict().keys()]).toEqual([
      '0.extra_scale',
      '0.conv1.weight',
      '0.bn1.weight',
      '0.bn1.bias',
      '0.bn1.running_mean',
      '0.bn1.running_var',
      '0.bn1.num_batches_tracked',
    ]);
    expect(Array.from(net.namedParameters(), ([name]) => name)).toHaveLength(4);
    expect(Array.from(net.namedBuffers(), ([name]) => name)).toHaveLength(3);
    expect(Array.from(net.namedModules(), ([path]) => path)).toEqual(['', '0', '0.conv1', '0.bn1', '1']);
    expect(nn.stateName('LayerNorm')).toBe('LayerNorm');
  });

  it('lists a shared parameter once, saves it under both names', () => {
    const layer = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    const net = new nn.Sequential(layer, layer);
    expect(Array.from(net.namedParameters(), ([name]) => name)).toEqual(['0.weight', '0.bias']);
    expect(net.parameters()).toHaveLength(2);
    expect([...net.stateDict().keys()]).toEqual(['0.weight', '0.bias', '1.weight', '1.bias']);
  });

  it('loads all or nothing, and names what does not fit', () => {
    const net = new Block();
    const state = new Map(Array.from(net.stateDict(), ([name, value]) => [name, zeros(value.shape)]));
    net.loadStateDict(state);
    expect(net.conv1.weight.toArray()).toEqual([0, 0]);

    const before = net.bn1.weight!.add(1);
    state.set('bn1.weight', ones([3]));
    state.set('fc.weight', ones([1]));
    state.delete('bn1.bias');
    expect(() => {
      net.loadStateDict(state);
    }).toThrow(
      'the weights do not fit Block: bn1.weight has shape [3], expected [2]; missing bn1.bias [2]; unexpected ' +
        'fc.weight',
    );
    expectClose(net.bn1.weight!.add(1), before);
  });

  it('finds and replaces modules by path', () => {
    const net = new nn.Sequential(new Block());
    const replacement = new nn.BatchNorm2d({ numFeatures: 2 });
    net.replaceModule('0.bn1', replacement);
    expect(net.getModule('0.bn1')).toBe(replacement);
    expect(() => net.getModule('0.bn2')).toThrow("no module '0.bn2' in Sequential");
    expect(() => {
      net.replaceModule('1', replacement);
    }).toThrow("no module '1' in a list of 1");
  });

  it('train and eval reach every module', () => {
    const net = new nn.Sequential(new Block());
    net.eval();
    expect(Array.from(net.namedModules(), ([, module]) => module.training)).toEqual([false, false, false, false]);
    net.train();
    expect(net.getModule('0.bn1').training).toBe(true);
  });

  it('zeroGrad frees the gradients', () => {
    const net = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    backward(net.forward(tensor([[2]])).sum());
    expect(net.weight.grad!.toArray()).toEqual([2]);
    net.zeroGrad();
    expect(net.weight.grad).toBeNull();
  });
});

describe('Module.to', () => {
  it('converts what is floating; parameters stay the same objects with a gradient', () => {
    const net = new Block();
    const { weight } = net.conv1;
    const values = weight.toArray();
    net.to('float64');
    expect(net.conv1.weight).toBe(weight);
    expect(weight.dtype).toBe('float64');
    expect(weight.toArray()).toEqual(values);
    expect(weight.requiresGrad).toBe(true);
    expect(weight.isLeaf).toBe(true);
    expect(net.bn1.runningMean!.dtype).toBe('float64');
    expect(net.bn1.runningMean!.requiresGrad).toBe(false);
    expect(net.bn1.numBatchesTracked!.dtype).toBe('int64');
    backward(net.forward(ones([2, 1, 1, 1], { dtype: 'float64' })).sum());
    expect(weight.grad!.dtype).toBe('float64');
  });

  it('drops gradients only of what it converts, keeps what is frozen frozen, and leaks nothing', () => {
    const net = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    net.bias!.requiresGrad = false;
    scope(() => {
      backward(net.forward(tensor([[2]])).sum());
    });
    net.to('float32');
    expect(scope(() => net.weight.grad!.item())).toBe(2);
    const before = liveTensors();
    net.to('float64').to('bfloat16').to('float32');
    expect(liveTensors()).toBe(before);
    expect(net.weight.grad).toBeNull();
    expect(net.weight.requiresGrad).toBe(true);
    expect(net.bias!.requiresGrad).toBe(false);
  });
});
