import { defaultGenerator, liveTensors, manualSeed, nn, ops, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { expect, it } from 'vitest';
import { classificationLoss, mixedLoss } from './classificationLoss.js';

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
  const loss = mixedLoss(network, images(), classes, { mixup: 0.4, labelSmoothing: 0.1 });
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
  const losses = [0, 1, 2].map(() => mixedLoss(network, images(), classes, { mixup: 1 }).item());
  expect(new Set(losses).size).toBe(3);
});

/** Pictures of 8 × 6 pixels, all of them 0, 10 or 20. */
const plain = (): Tensor =>
  ops.arange(3, { dtype: 'float32' }).mul(10).reshape([3, 1, 1, 1]).expand([3, 1, 8, 6]).contiguous();

/** Classes are told by the mean: what the network has seen is what the loss is of. */
class Seen extends nn.Module implements nn.Layer {
  readonly linear = new nn.Linear({ inFeatures: 48, outFeatures: 3 });
  seen: number[] = [];

  forward(input: Tensor): Tensor {
    this.seen = input.toArray();
    return this.linear.forward(input.flatten({ startDim: 1 }));
  }
}

it('cuts a rectangle out of another picture, and mixes the losses by what is left', () => {
  const network = new Seen();
  const shares: number[] = [];
  for (let seed = 0; seed < 30; seed++) {
    manualSeed(seed);
    const loss = mixedLoss(network, plain(), classes, { cutmix: 1, labelSmoothing: 0.1 });
    const pictures = [0, 1, 2].map((index) => network.seen.slice(48 * index, 48 * (index + 1)));
    // The pixel that differs most tells the partner; where none does, it is the picture itself or nothing was cut.
    const partners = pictures.map((pixels, index) => (pixels.find((value) => value !== 10 * index) ?? 10 * index) / 10);
    const cut = pictures.flatMap((pixels, index) =>
      partners[index] === index ? [] : [pixels.map((value) => value !== 10 * index)],
    );
    if (cut.length === 0) continue;
    for (const each of cut) expect(each).toEqual(cut[0]);
    const places = cut[0]!.flatMap((isCut, place) => (isCut ? [place] : []));
    const rows = new Set(places.map((place) => Math.floor(place / 6)));
    const columns = new Set(places.map((place) => place % 6));
    expect(places).toHaveLength(rows.size * columns.size);
    const share = 1 - places.length / 48;
    shares.push(share);
    const output = network.forward(tensor(network.seen).reshape([3, 1, 8, 6]));
    const others = tensor(partners, { dtype: 'int64' });
    const [own, other] = [classes, others].map((target) => classificationLoss(output, target, 0.1).item());
    expectClose(loss.item(), share * own! + (1 - share) * other!, { atol: 1e-5 });
  }
  // λ ~ Beta(1, 1) is uniform.
  expect(shares.length).toBeGreaterThan(15);
  expect(Math.min(...shares)).toBeLessThan(0.6);
  expect(Math.max(...shares)).toBeGreaterThan(0.8);
});

it('gives a batch mix-up or CutMix where both are asked for', () => {
  const network = new Seen();
  let mixed = 0;
  for (let seed = 0; seed < 60; seed++) {
    manualSeed(seed);
    mixedLoss(network, plain(), classes, { mixup: 1, cutmix: 1 });
    if (network.seen.some((value) => value % 10 !== 0)) mixed++;
  }
  expect(mixed).toBeGreaterThan(10);
  expect(mixed).toBeLessThan(45);
});

it('leaves the pictures and the generator alone without mix-up and CutMix', () => {
  const network = new Flat();
  const before = defaultGenerator.getState().toArray();
  const plain = mixedLoss(network, images(), classes);
  expect(plain.item()).toBe(classificationLoss(network.forward(images()), classes).item());
  expect(network.seen).toEqual(images().toArray());
  expect(defaultGenerator.getState().toArray()).toEqual(before);
});

it('leaks nothing', () => {
  const network = new Flat();
  const live = liveTensors();
  for (const options of [{ mixup: 0.5 }, { cutmix: 0.5 }])
    scope(() => mixedLoss(network, images(), classes, options).item());
  expect(liveTensors()).toBe(live);
});
