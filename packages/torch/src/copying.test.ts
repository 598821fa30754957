/** Copies that JavaScript makes of tensors, generators and modules as of plain objects. */
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Generator, liveTensors, nn, ops, optim, scope, tensor, type Tensor } from './index.js';

/** As `{ ...value }` gives them. */
const propertiesOf = (value: object): object => Object.assign({}, value);

const holders = {
  tensor: () => tensor([1, 2]),
  parameter: () => new nn.Parameter(tensor([1, 2])),
  generator: () => new Generator(1),
  module: () => new nn.Linear({ inFeatures: 1, outFeatures: 1 }),
  list: () => [{ x: tensor([1]) }],
  'a copy of the properties': () => propertiesOf(tensor([1])),
  optimizer: () => new optim.SGD([new nn.Parameter(tensor([1]))], { learningRate: 1 }),
};

describe.each(Object.entries(holders))('%s', (_, make) => {
  it('is not cloned, nor sent to another thread', () => {
    const refusal =
      /^Symbol\(a tensor or generator of libtorch: copy a tensor by clone\(\), .*\) could not be cloned\.$/;
    expect(() => structuredClone<unknown>(make())).toThrow(refusal);
    const { port1, port2 } = new MessageChannel();
    expect(() => {
      port1.postMessage(make());
    }).toThrow(refusal);
    port1.close();
    port2.close();
  });
});

it('JSON has neither tensors, generators nor modules, and is not given what stands for them', () => {
  expect(() => JSON.stringify({ loss: tensor([NaN]) })).toThrow('JSON has no tensors: give it item() or toArray()');
  expect(() => JSON.stringify(new Generator(1))).toThrow('JSON has no generators: save getState()');
  expect(() => JSON.stringify({ net: new nn.Dropout() })).toThrow(
    'JSON has no modules: save the stateDict() of the Dropout by saveSafetensors()',
  );
});

it('a copy of the properties is no tensor, and owns nothing', () => {
  const live = liveTensors();
  scope(() => {
    const copy = propertiesOf(tensor([1])) as Tensor;
    expect(() => ops.relu(copy)).toThrow("argument 'self' expects Tensor, got object");
    expect(() => tensor([1]).add(copy)).toThrow(TypeError);
    return copy;
  });
  expect(liveTensors()).toBe(live);
});
