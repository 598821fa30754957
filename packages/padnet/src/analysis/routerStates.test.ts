import { liveTensors, manualSeed, nn, noGrad, scope, tensor, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToDynamic, type RouterFactory } from '../convert/index.js';
import { CondRouter, DcdRouter, KernelAttention, OdAttention } from '../dynamic/index.js';
import { DynamicConv2d, isDynamicConvolution } from '../layers/index.js';
import { moduleAt } from '../layers/moduleAt.test.fixture.js';
import { pictures } from '../runs/pictures.test.fixture.js';
import { routerStates, type RouterState } from './routerStates.js';

const dataset = pictures(40);

type Change = (weight: (name: string) => Tensor) => unknown;

/** Behind a static convolution and ReLU one whose router is made by `router`, and its weights changed by `change`. */
function network(router: RouterFactory, change: Change = () => undefined): nn.Sequential {
  manualSeed(2);
  const conv = (inChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels: 8, kernelSize: 3, padding: 1, bias: false });
  const made = new nn.Sequential(conv(1), new nn.BatchNorm2d({ numFeatures: 8, activation: 'relu' }), conv(8));
  convertToDynamic(made, { router, bankInitialisation: 'independent', numKernels: 3 });
  const weights = made.stateDict();
  scope(() => {
    noGrad(() => change((name) => weights.get(`2.router.${name}`)!));
  });
  return new nn.Sequential(made, new nn.AdaptiveAvgPool2d({ outputSize: 1 }), new nn.Flatten());
}

async function stateOf(router: RouterFactory, change?: Change): Promise<RouterState> {
  const states = await routerStates(network(router, change), dataset);
  expect(states).toHaveLength(1);
  return states[0]!;
}

const dyconv: RouterFactory = ({ inChannels }, numKernels) =>
  new KernelAttention({ inChannels, numKernels, hiddenChannels: 4, start: 'active', temperature: 1 });
const condconv: RouterFactory = ({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels });
const odconv: RouterFactory = (geometry, numKernels) => new OdAttention({ geometry, numKernels, temperature: 1 });
const dcd: RouterFactory = (geometry) => new DcdRouter({ geometry });
const fill = (weight: Tensor, values: readonly number[]): Tensor => weight.copy_(tensor(values));

describe('routerStates', () => {
  it('measures how far inputs differ', async () => {
    const net = network(
      ({ inChannels }) => new KernelAttention({ inChannels, numKernels: 2, hiddenChannels: 1, temperature: 1 }),
      (weight) => {
        weight('fc1.weight').fill_(0.5);
        fill(weight('fc2.weight').select(1, 0), [1, -1]);
      },
    );
    const layer = moduleAt(net, '0.2', DynamicConv2d);
    const [state] = await routerStates(net, dataset, { numPictures: 40 });
    const rows: number[][] = [];
    const images = Float32Array.from(dataset.images, (byte) => byte / 255);
    noGrad(() => {
      net.eval();
      const input = tensor([...images]).reshape([40, 1, 8, 8]);
      const inner = moduleAt(net, '0.1', nn.BatchNorm2d).forward(moduleAt(net, '0.0', nn.Conv2d).forward(input));
      const values = layer.router.forward(inner).toArray();
      for (let row = 0; row < 40; row++) rows.push(values.slice(2 * row, 2 * row + 2));
    });
    const mean = [0, 1].map((k) => rows.reduce((sum, row) => sum + row[k]!, 0) / 40);
    const squares = rows.reduce((sum, row) => sum + (row[0]! - mean[0]!) ** 2 + (row[1]! - mean[1]!) ** 2, 0);
    expect(state!.variation).toBeCloseTo(Math.sqrt(squares / 40) / Math.hypot(...mean), 6);
    expect(state!.variation).toBeGreaterThan(0.002);
    expect(state).toMatchObject({ path: '0.2', dead: null, unusedExperts: [] });
  });

  it('finds nothing wrong with routers that decide', async () => {
    for (const router of [dyconv, condconv, odconv, dcd]) expect((await stateOf(router)).dead).toBeNull();
  });

  it.each<[string, RouterFactory, Change, RouterState['dead']]>([
    ['no unit is active', dyconv, (weight) => weight('fc1.weight').fill_(-1), 'inactive'],
    ['one unit of four is active', dyconv, (weight) => weight('fc1.weight').narrow(0, 0, 3).fill_(-1), null],
    ['the trunk of ODConv is inactive', odconv, (weight) => weight('bn.bias').fill_(-100), 'inactive'],
    [
      'the kernels of ODConv are alike, not its filters',
      odconv,
      (weight) => weight('kernel.linear.weight').zero_(),
      null,
    ],
    ['one kernel has it all', dyconv, (weight) => fill(weight('fc2.bias'), [0, 200, 0]), 'saturated'],
    ['sigmoids are at their bounds', condconv, (weight) => fill(weight('fc.bias'), [50, -50, 50]), 'saturated'],
    ['it has not learnt', dyconv, (weight) => weight('fc2.weight').zero_(), 'alike'],
    ['it is too hot', dyconv, (weight) => weight('temperature').fill_(1e6), 'alike'],
    ['weights are not finite', dyconv, (weight) => weight('fc2.weight').fill_(Number.NaN), 'notFinite'],
    [
      'there is one kernel',
      ({ inChannels }) => new KernelAttention({ inChannels, numKernels: 1 }),
      () => 0,
      'oneKernel',
    ],
  ])('tells why: %s', async (_, router, change, dead) => {
    const state = await stateOf(router, change);
    expect(state.dead).toBe(dead);
    if (dead === 'notFinite') expect(state.variation).toBeNull();
    else if (dead !== null) expect(state.variation).toBeLessThan(1e-3);
  });

  it('says nothing of layers that are static, and leaves neither mode nor tensors behind', async () => {
    const net = network(dyconv);
    await routerStates(net, dataset);
    const before = liveTensors();
    await routerStates(net, dataset);
    expect(liveTensors()).toBe(before);
    expect(net.training).toBe(true);
    expect(await routerStates(new nn.Sequential(new nn.Flatten()), dataset)).toEqual([]);
    expect([...net.namedModules()].filter(([, module]) => isDynamicConvolution(module))).toHaveLength(1);
  });
});
