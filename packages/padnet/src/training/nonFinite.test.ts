import { defaultGenerator, liveTensors, nn, noGrad, randn, scope, tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import { assertFinite, assertFiniteOutput, findNonFinite, NonFiniteLossError } from './nonFinite.js';
import { smallNetwork, checksums } from './pictures.test.fixture.js';

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
        /^the loss is not finite at step 3: c\.weight has entries that are not finite after it\. The last checkpoint is kept; try a lower training\.learningRate/,
      );
    }
  });
  expect(liveTensors()).toBe(live);
  expect(new NonFiniteLossError(3, 'x')).toMatchObject({ name: 'NonFiniteLossError', step: 3 });
});
