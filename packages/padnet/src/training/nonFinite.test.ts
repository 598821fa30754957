import { defaultGenerator, liveTensors, nn, noGrad, randn, scope, tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import { NonFiniteError } from '../errors.js';
import { fuseBatchNorms } from '../layers/index.js';
import { evaluate } from './tasks/evaluate.js';
import { assertFinite, assertFiniteEvent, assertFiniteOutput, findNonFinite, NonFiniteLossError } from './nonFinite.js';
import { smallNetwork, checksums, splits } from '../runs/pictures.test.fixture.js';

const find = (network: nn.Layer, images = randn([2, 1, 8, 8])): string | null =>
  scope(() => findNonFinite(network, () => network.forward(images)));

it('finds the parameter', () => {
  const network = smallNetwork();
  noGrad(() => network.stateDict().get('layer2.0.conv1.weight')!.select(0, 1).fill_(NaN));
  expect(find(network)).toBe('parameter layer2.0.conv1.weight has entries that are not finite');
});

it('finds the input', () => {
  expect(find(smallNetwork(), randn([2, 1, 8, 8]).fill_(Infinity))).toBe('the input has values that are not finite');
});

it('finds the first layer whose output is not finite', () => {
  const network = smallNetwork();
  noGrad(() => {
    for (const name of ['layer3.0.conv1.weight', 'layer3.0.bn1.weight']) network.stateDict().get(name)!.fill_(3e38);
  });
  expect(find(network)).toMatch(/^layer layer3\.0\.conv1 \(Conv2d\) is the first whose output is not finite$/);
});

it('finds it where batch norms are fused with their convolutions', () => {
  const network = smallNetwork().eval();
  fuseBatchNorms(network);
  expect(find(network)).toBeNull();
  noGrad(() => network.stateDict().get('layer3.0.bn1.running_var')!.fill_(NaN));
  const expected = 'layer layer3.0.bn1 (BatchNorm2d) is the first whose output is not finite';
  expect(find(network)).toBe(expected);
  expect(noGrad(() => find(network))).toBe(expected);
});

it('is told of an evaluation with the layer', async () => {
  const network = smallNetwork();
  noGrad(() => network.stateDict().get('layer1.0.bn2.running_var')!.fill_(-1));
  await expect(evaluate(network, splits.test)).rejects.toThrow(
    new NonFiniteError(
      'the loss on quarters',
      'layer layer1.0.bn2 (BatchNorm2d) is the first whose output is not finite',
    ),
  );
});

it('finds a number of an event, however deep it lies', () => {
  const event = {
    type: 'step' as const,
    epoch: 1,
    step: 3,
    totalSteps: 9,
    loss: 1,
    learningRate: 0.1,
    temperature: null,
    routing: { auxiliaryLoss: 0.1, gateEntropy: -Infinity, loadEntropy: 1 },
    samples: 8,
    seconds: 1,
  };
  expect(() => {
    assertFiniteEvent(event, 3);
  }).toThrow('routing.gateEntropy of the event step is not finite at step 3: it is -Infinity');
  assertFiniteEvent({ ...event, routing: null }, 3);
});

it('finds nothing where all is well', () => {
  expect(find(smallNetwork())).toBeNull();
});

it('tries weights that are finite but too large, and leaves mode, statistics and random state alone', () => {
  const network = smallNetwork();
  const images = randn([2, 1, 8, 8]);
  const state = () => scope(() => [checksums(network), defaultGenerator.getState().toArray()]);
  const before = state();
  const live = liveTensors();
  assertFiniteOutput(network, () => network.forward(images), 3);
  expect(state()).toEqual(before);
  expect(network.training).toBe(true);
  scope(() => {
    noGrad(() => network.stateDict().get('layer3.0.conv1.weight')!.fill_(3e38));
  });
  expect(() => {
    assertFiniteOutput(network, () => network.forward(images), 3);
  }).toThrow(
    /^the loss is not finite at step 3: after it, layer layer3\.0\.conv1 \(Conv2d\) is the first whose output/,
  );
  expect(network.training).toBe(true);
  expect(liveTensors()).toBe(live);
});

it('refuses weights that are not finite, by name, but no large ones', () => {
  const live = liveTensors();
  scope(() => {
    const good = new Map([
      ['a', tensor([3e38, -3e38])],
      ['b', tensor([1, 2], { dtype: 'int64' })],
    ]);
    assertFinite(good, 3);
    for (const value of [NaN, Infinity, -Infinity]) {
      const bad = new Map([...good, ['c.weight', tensor([0, value, 1])] as const]);
      expect(() => {
        assertFinite(bad, 3);
      }).toThrow(
        /^the loss is not finite at step 3: c\.weight has entries .* after it\. .*; try a lower training\.learningRate/,
      );
    }
  });
  expect(liveTensors()).toBe(live);
  expect(new NonFiniteLossError(3, 'x')).toMatchObject({ name: 'NonFiniteLossError', step: 3 });
});
