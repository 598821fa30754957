import { defaultGenerator, liveTensors, manualSeed, nn, ops, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { expect, it } from 'vitest';
import { classificationLoss, mixupLoss } from './classificationLoss.js';

const logits = tensor(
  [
    [2, 0, -1],
    [0.5, 1, 0],
  ],
  { dtype: 'float64' },
);
const labels = tensor([0, 2], { dtype: 'int64' });

/** −log softmax of one row, for each class. */
function surprises(row: readonly number[]): number[] {
  const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
  return row.map((value) => total - value);
}

it('is the cross-entropy', () => {
  const [first, second] = [surprises([2, 0, -1]), surprises([0.5, 1, 0])];
  expectClose(classificationLoss(logits, labels), (first[0]! + second[2]!) / 2);
});

it('smooths labels: 1 − ε for the class, ε / classes for each', () => {
  const rows = [surprises([2, 0, -1]), surprises([0.5, 1, 0])];
  const losses = rows.map((row, index) => {
    const uniform = row.reduce((sum, value) => sum + value, 0) / 3;
    return 0.9 * row[[0, 2][index]!]! + 0.1 * uniform;
  });
  expectClose(classificationLoss(logits, labels, 0.1), (losses[0]! + losses[1]!) / 2);
});

/** One linear layer over the pixels. */
class Flat extends nn.Module implements nn.Layer {
  readonly linear = new nn.Linear({ inFeatures: 4, outFeatures: 3 });
  seen: number[] = [];

  forward(input: Tensor): Tensor {
    this.seen = input.toArray();
    return this.linear.forward(input.flatten({ startDim: 1 }));
  }
}

const images = (): Tensor => ops.arange(12, { dtype: 'float32' }).reshape([3, 1, 2, 2]);
const classes = tensor([0, 1, 2], { dtype: 'int64' });

it('mixes pictures and losses with one λ of Beta(α, α) a batch', () => {
  const network = new Flat();
  manualSeed(11);
  const state = defaultGenerator.getState();
  const loss = mixupLoss(network, images(), classes, { alpha: 0.4, labelSmoothing: 0.1 });
  const after = defaultGenerator.getState().toArray();

  defaultGenerator.setState(state);
  const lambda = ops
    ._sampleDirichlet(tensor([0.4, 0.4]))
    .toArray()
    .at(0)!;
  const partner = ops.randperm(3, { dtype: 'int64' });
  expect(defaultGenerator.getState().toArray()).toEqual(after);
  expect(lambda).toBeGreaterThan(0);
  expect(lambda).toBeLessThan(1);

  const pixels = images().toArray();
  const order = partner.toArray();
  const mixed = pixels.map((value, position) => {
    const other = pixels[4 * order[Math.floor(position / 4)]! + (position % 4)]!;
    return lambda * value + (1 - lambda) * other;
  });
  expectClose(tensor(network.seen), mixed);
  const output = network.forward(tensor(mixed).reshape([3, 1, 2, 2]));
  const [own, others] = [classes, partner].map((target) => classificationLoss(output, target, 0.1).item());
  expectClose(loss.item(), lambda * own! + (1 - lambda) * others!, { atol: 1e-6 });
});

it('draws another λ for the next batch', () => {
  manualSeed(2);
  const network = new Flat();
  const losses = [0, 1, 2].map(() => mixupLoss(network, images(), classes, { alpha: 1 }).item());
  expect(new Set(losses).size).toBe(3);
});

it('leaves the pictures and the generator alone without mix-up', () => {
  const network = new Flat();
  const before = defaultGenerator.getState().toArray();
  const plain = mixupLoss(network, images(), classes);
  expect(plain.item()).toBe(classificationLoss(network.forward(images()), classes).item());
  expect(network.seen).toEqual(images().toArray());
  expect(defaultGenerator.getState().toArray()).toEqual(before);
});

it('leaks nothing', () => {
  const network = new Flat();
  const live = liveTensors();
  scope(() => mixupLoss(network, images(), classes, { alpha: 0.5 }).item());
  expect(liveTensors()).toBe(live);
});
