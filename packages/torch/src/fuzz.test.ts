import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { watchedChild } from './testing/watchedChild.js';

const child = fileURLToPath(new URL('./fuzz.test.child.js', import.meta.url));
const long = process.env.PADNET_LONG_TESTS === '1';

describe('random calls of all operators give results or errors, never a crash', () => {
  it.each(long ? [1, 2, 3, 4, 5] : [1])(
    'seed %i',
    async (seed) => {
      const calls = long ? 10_000 : 1_000;
      const { returned, threw } = (await watchedChild(child, [seed, 0, calls])) as { returned: number; threw: number };
      expect(returned + threw).toBeGreaterThanOrEqual(calls);
      // Both happen often: the arguments are neither all nonsense nor all harmless.
      expect(returned).toBeGreaterThan(calls / 5);
      expect(threw).toBeGreaterThan(calls / 5);
    },
    600_000,
  );
});
