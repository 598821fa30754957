import { backward, manualSeed, noGrad, randn, tensor, zeros, type Tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { NoisyTopK, type Gating } from './noisyTopK.js';

/** A router whose logits are its inputs. */
function passing(numExperts: number, k: number): NoisyTopK {
  const router = new NoisyTopK({ inFeatures: numExperts, numExperts, k }).eval();
  noGrad(() => router.wGate.copy_(tensor(identity(numExperts))));
  return router;
}

function identity(size: number): number[][] {
  return Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, column) => +(row === column)));
}

function totalGradient(router: NoisyTopK, { gates, auxiliaryLoss }: Gating): Tensor[] {
  backward([gates.square().sum(), auxiliaryLoss]);
  return [router.wGate.grad, router.wNoise.grad].filter((gradient) => gradient !== null);
}

describe('NoisyTopK', () => {
  it('keeps the k largest logits and softmaxes those', () => {
    // prettier-ignore
    const { gates, experts, weights, load, auxiliaryLoss } = passing(3, 2).forward(tensor([[0, 2, 1], [1, -1, 0]]));
    const high = 1 / (1 + Math.exp(-1));
    expectClose(gates, [[0, high, 1 - high], [high, 0, 1 - high]]); // prettier-ignore
    expect(experts.toArray()).toEqual([1, 2, 0, 2]);
    expectClose(weights, [[high, 1 - high], [high, 1 - high]]); // prettier-ignore
    expect(load.toArray()).toEqual([1, 1, 2]);
    // importance (high, high, 2 − 2·high) and load (1, 1, 2): variance over squared mean, of 3 experts
    const importance = [high, high, 2 - 2 * high];
    const expected = 0.01 * (squaredVariation(importance) + squaredVariation([1, 1, 2]));
    expect(auxiliaryLoss.item()).toBeCloseTo(expected, 7);
  });

  it('gives ties to the lower expert, on every run', () => {
    const rows = zeros([50, 16]);
    const router = new NoisyTopK({ inFeatures: 16, numExperts: 16, k: 3 }).eval();
    for (let run = 0; run < 5; run++) {
      expect(router.forward(rows).experts.toArray()).toEqual(Array.from({ length: 50 }, () => [0, 1, 2]).flat());
    }
    expect(
      passing(4, 2)
        .forward(tensor([[1, 3, 1, 3]]))
        .experts.toArray(),
    ).toEqual([1, 3]);
  });

  it('adds noise in training alone, and as large as softplus(x·W_n) + 0.01', () => {
    const router = passing(2, 1);
    const input = tensor([[0.5, 0]]);
    expect(router.forward(input).experts.toArray()).toEqual([0]);
    const noise = (size: number): Tensor => tensor([[0, size / (Math.log(2) + 0.01)]]);
    router.train();
    expect(router.forward(input, noise(0.49)).experts.toArray()).toEqual([0]);
    expect(router.forward(input, noise(0.51)).experts.toArray()).toEqual([1]);
    manualSeed(1);
    const drawn = router
      .forward(zeros([200, 2]))
      .gates.sum([0])
      .toArray();
    expect(drawn[0]).toBeGreaterThan(60);
    expect(drawn[1]).toBeGreaterThan(60);
  });

  it('estimates the load smoothly in training: the probability to be chosen when the noise is drawn again', () => {
    const router = passing(2, 1).train();
    const { load } = router.forward(tensor([[0.3, 0]]), zeros([1, 2]));
    // P(0.3 + ε·s > 0) and P(ε·s > 0.3) for s = ln 2 + 0.01
    const z = 0.3 / (Math.log(2) + 0.01);
    expectClose(load, [normalCdf(z), normalCdf(-z)], { atol: 1e-6 });
  });

  it.each([
    ['training', true, 2],
    ['training, every expert chosen', true, 3],
    ['evaluation', false, 2],
  ])('has the gradients of finite differences in %s', (_, training, k) => {
    manualSeed(2);
    const router = new NoisyTopK({ inFeatures: 4, numExperts: 3, k }).to('float64').train(training);
    noGrad(() => {
      router.wGate.copy_(randn([4, 3]));
      router.wNoise.copy_(randn([4, 3]));
    });
    const noise = training ? randn([5, 3], { dtype: 'float64' }) : null;
    const input = randn([5, 4], { dtype: 'float64', requiresGrad: true });
    gradcheck(
      (x) => {
        const { gates, load, auxiliaryLoss } = router.forward(x, noise);
        return [gates, load, auxiliaryLoss];
      },
      [input, ...router.parameters()],
    );
  });

  it.each([
    ['an empty batch', 0, 4, 2],
    ['one expert', 5, 1, 1],
    ['every expert chosen', 5, 3, 3],
    ['one row', 1, 4, 2],
  ])('is defined for %s', (_, rows, numExperts, k) => {
    for (const training of [true, false]) {
      const router = new NoisyTopK({ inFeatures: 6, numExperts, k }).train(training);
      const input = randn([rows, 6]);
      input.requiresGrad = true;
      const gating = router.forward(input);
      expect(gating.gates.shape).toEqual([rows, numExperts]);
      expect(gating.experts.shape).toEqual([rows, k]);
      if (rows > 0) expectClose(gating.gates.sum([1]), Array<number>(rows).fill(1));
      if (rows === 0 || numExperts === 1) expect(gating.auxiliaryLoss.item()).toBe(0);
      const gradients = totalGradient(router, gating);
      for (const gradient of [...gradients, input.grad!]) {
        expect(gradient.toArray().every(Number.isFinite)).toBe(true);
      }
    }
  });

  it('is defined where one expert gets every row', () => {
    const router = passing(4, 1).train();
    const input = tensor(Array.from({ length: 8 }, () => [0, 0, 100, 0]));
    const gating = router.forward(input);
    expect(gating.experts.toArray()).toEqual(Array<number>(8).fill(2));
    // all in one of four: CV² = 4, for importance and for load
    expect(gating.auxiliaryLoss.item()).toBeCloseTo(0.08, 6);
    for (const gradient of totalGradient(router, gating)) {
      expect(gradient.toArray().every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses more choices than experts, naming both', () => {
    expect(() => new NoisyTopK({ inFeatures: 4, numExperts: 4, k: 5 })).toThrow(
      'k must be a whole number from 1 to the 4 experts, got 5',
    );
    expect(() => new NoisyTopK({ inFeatures: 4, numExperts: 4, k: 0 })).toThrow('got 0');
    expect(() => new NoisyTopK({ inFeatures: 4, numExperts: 0, k: 1 })).toThrow(
      'the number of experts must be a whole number of at least 1, got 0',
    );
  });
});

function squaredVariation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return variance / mean ** 2;
}

/** Φ by Simpson's rule from 0. */
function normalCdf(z: number): number {
  const steps = 1000;
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * density((z * i) / steps);
  }
  return 0.5 + (sum * z) / steps / 3;
}
