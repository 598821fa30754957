import { expect, it } from 'vitest';
import { runColours } from './runColours.js';

it('gives the first run of each kind the colour of the kind, and the others new ones', () => {
  const kinds = ['partial', 'static', 'partial', 'dynamic', 'static'] as const;
  expect(runColours(kinds.map((layer) => ({ layer })))).toEqual([2, 0, 3, 1, 4].map((index) => `var(--run-${index})`));
});

it('repeats after eight', () => {
  expect(runColours(Array.from({ length: 8 }, () => ({ layer: 'partial' as const }))).slice(5)).toEqual([
    'var(--run-7)',
    'var(--run-0)',
    'var(--run-1)',
  ]);
});
