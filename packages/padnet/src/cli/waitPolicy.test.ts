import { describe, expect, it } from 'vitest';

import { waitBriefly } from './waitPolicy.js';

describe('waitBriefly', () => {
  it.each([
    [{}, { GOMP_SPINCOUNT: '1000' }],
    [{ GOMP_SPINCOUNT: '7' }, { GOMP_SPINCOUNT: '7' }],
    [{ OMP_WAIT_POLICY: 'active' }, { OMP_WAIT_POLICY: 'active' }],
  ])('makes of %j %j', (environment: NodeJS.ProcessEnv, expected) => {
    waitBriefly(environment);
    expect(environment).toEqual(expected);
  });
});
