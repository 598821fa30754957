import { describe, expect, it } from 'vitest';
import { defaultGenerator, Generator, manualSeed, ops, rand, randn, zeros } from './index.js';

describe('Generator', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => randn([100], { generator: new Generator(seed) }).toArray());
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('continues from a saved state', () => {
    const generator = new Generator(7);
    randn([5], { generator });
    const state = generator.getState();
    const first = rand([40], { generator }).toArray();
    generator.setState(state);
    expect(rand([40], { generator }).toArray()).toEqual(first);
    const other = new Generator(0);
    other.setState(state);
    expect(rand([40], { generator: other }).toArray()).toEqual(first);
  });

  it('is apart from the default one', () => {
    manualSeed(3);
    const expected = rand([4]).toArray();
    manualSeed(3);
    rand([100], { generator: new Generator(3) });
    expect(rand([4]).toArray()).toEqual(expected);
  });

  it('seeds the default generator, which every random operator uses', () => {
    const draw = (): number[] => [
      ...rand([2]).toArray(),
      ...ops.randperm(5).toArray(),
      ...zeros([2]).normal_().toArray(),
    ];
    manualSeed(5);
    const first = draw();
    defaultGenerator.manualSeed(5);
    expect(draw()).toEqual(first);
  });

  it('refuses a state that is not one', () => {
    const generator = new Generator(1);
    expect(() => {
      generator.setState(zeros([3], { dtype: 'uint8' }));
    }).toThrow();
    expect(() => {
      generator.setState(zeros([3]));
    }).toThrow();
    expect(() => new Generator(1.5)).toThrow('a seed, a whole number');
  });

  it('draws uniform numbers in [0, 1) and normal ones around 0', () => {
    const generator = new Generator(11);
    const uniform = rand([10_000], { generator }).toArray();
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    const normal = randn([10_000], { generator });
    expect(Math.abs(normal.mean().item())).toBeLessThan(0.05);
    expect(Math.abs(normal.std().item() - 1)).toBeLessThan(0.05);
  });
});
