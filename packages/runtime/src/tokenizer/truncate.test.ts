import fc from 'fast-check';
import { expect, it } from 'vitest';

import { longestFirst } from './truncate.js';

it('takes one token at a time from the longer sentence', () => {
  const length = fc.nat(60);
  fc.assert(
    fc.property(length, length, length, (first, second, maximum) => {
      let [a, b] = [first, second];
      while (a + b > maximum) {
        if (a > b || (a === b && first <= second)) a--;
        else b--;
      }
      expect(longestFirst(first, second, maximum)).toEqual([a, b]);
    }),
    { numRuns: 1000 },
  );
});
