/**
 * A dynamic convolution as method.md §1 and §2 define it: one convolution a sample, with θ(x) formed by the plain
 * equation.
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import { attend } from '../dynamic/index.js';
import { partialParameter } from '../partial/index.js';
import { wholeParameter } from '../partial/wholeParameter.test.fixture.js';
import type { DynamicConv } from './dynamicConv.js';

export function definedConvolution({ geometry, router, source, biasBank }: DynamicConv, input: Tensor): Tensor {
  const attention = attend(router, input);
  const whole = wholeParameter(source);
  const bank = source.kind === 'static' ? whole.bank.expand([router.numKernels, ...source.shape]) : whole.bank;
  const eachMap = (values: Tensor): Tensor => values.reshape([1, -1, ...geometry.kernelSize.map(() => 1)]);
  const outputs = Array.from({ length: input.shape[0]! }, (_, sample) => {
    const own = (tensor: Tensor): Tensor => tensor.narrow(0, sample, 1);
    const [x, coefficients] = [own(input), own(attention.coefficients)];
    const [spatial, channel, filter] = [attention.spatial, attention.channel, attention.filter].map(
      (each) => each && own(each),
    );
    const weighed = spatial ? bank.mul(spatial.reshape([1, 1, 1, ...geometry.kernelSize])) : bank;
    const theta = partialParameter(coefficients, { ...whole, bank: weighed }).squeeze(0);
    const mixture = nn.convolve(channel ? x.mul(eachMap(channel)) : x, theta, null, geometry);
    const output = filter ? mixture.mul(eachMap(filter)) : mixture;
    return biasBank ? output.add(eachMap(ops.matmul(coefficients, biasBank))) : output;
  });
  return ops.cat(outputs);
}
