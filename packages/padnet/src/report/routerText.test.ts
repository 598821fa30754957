import { expect, it } from 'vitest';
import type { RouterState } from '../analysis/routerStates.js';
import { routerSentences, routerStateText } from './routerText.js';

const state = (path: string, changes: Partial<RouterState> = {}): RouterState => ({
  path,
  variation: 0.25,
  dead: null,
  unusedExperts: [],
  ...changes,
});

it('counts dead routers, with the reasons and at most six names', () => {
  expect(routerSentences([])).toEqual([]);
  expect(routerSentences([state('a'), state('b')])).toEqual(['None of 2 routers is dead.']);
  const inactive = Array.from({ length: 8 }, (_, index) => state(`conv${index}`, { dead: 'inactive', variation: 0 }));
  expect(routerSentences([state('a'), ...inactive, state('z', { dead: 'saturated' })])).toEqual([
    '9 of 10 routers are dead, so that every input gets the same weights: no hidden unit is ever active (conv0, ' +
      'conv1, conv2, conv3, conv4, 3 more); coefficients are saturated (z).',
  ]);
});

it('counts experts that no token uses, in every form', () => {
  const path = 'encoder.layers.3.feed_forward.output';
  const unused = state(path, { unusedExperts: [2, 5] });
  expect(routerSentences([unused, state('other', { unusedExperts: [0] })])).toEqual([
    'None of 2 routers is dead.',
    'No token uses 3 of the experts (from 0): 2, 5 of 3 output; 0 of other.',
  ]);
  expect(routerStateText(unused)).toBe('25.0 %, unused experts 2, 5');
  expect(routerStateText(state('x', { unusedExperts: [1] }))).toBe('25.0 %, unused expert 1');
  expect(routerStateText(state('x', { dead: 'notFinite', variation: null }))).toBe('dead: not finite');
});
