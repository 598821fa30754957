import { liveTensors, noGrad, ones, scope, tensor, type Tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import { VersionCache } from './versionCache.js';

it('makes a value once, again when a tensor of it has changed or is another, and then frees what it made', () => {
  scope(() => {
    const cache = new VersionCache<{ doubled: Tensor; none: null; list: readonly Tensor[]; size: number }>();
    const [first, other] = [ones([2]), ones([2])];
    let made = 0;
    const get = (input: Tensor, variant?: string): number[] =>
      cache
        .get(
          [input],
          () => {
            made++;
            return { doubled: input.mul(2), none: null, list: [input.add(1)], size: 2 };
          },
          variant,
        )
        .doubled.toArray();
    const before = liveTensors();
    expect([get(first), get(first), made]).toEqual([[2, 2], [2, 2], 1]);
    noGrad(() => first.mul_(3));
    expect([get(first), made]).toEqual([[6, 6], 2]);
    noGrad(() => other.mul_(5)); // as many changes
    expect([get(other), made]).toEqual([[10, 10], 3]);
    expect([get(other, 'otherwise'), get(other, 'otherwise'), made]).toEqual([[10, 10], [10, 10], 4]);
    expect(liveTensors()).toBe(before + 2);
    cache.forget();
    expect(liveTensors()).toBe(before);
  });
});

it('keeps values beyond the scope that they were made in, and values that are no tensors', () => {
  const input = tensor([1]);
  const [sums, isLarge] = [new VersionCache<Tensor>(), new VersionCache<boolean>()];
  scope(() => sums.get([input], () => input.add(1)));
  expect(sums.get([input], () => input).item()).toBe(2);
  expect(isLarge.get([input], () => input.item() > 5)).toBe(false);
  noGrad(() => input.fill_(9));
  expect(isLarge.get([input], () => input.item() > 5)).toBe(true);
  sums.forget();
});
