import { tensor, zeros } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { groupByExpert } from './expertGroups.js';

describe('groupByExpert', () => {
  it('orders the choices by expert, and by token within an expert', () => {
    const experts = tensor([[2n, 0n], [0n, 3n], [2n, 3n]]); // prettier-ignore
    const { choices, tokens, groups } = groupByExpert(experts, 5);
    expect(choices.toArray()).toEqual([1, 2, 0, 4, 3, 5]);
    expect(tokens.toArray()).toEqual([0, 1, 0, 2, 1, 2]);
    expect(groups).toEqual([
      { expert: 0, start: 0, count: 2 },
      { expert: 2, start: 2, count: 2 },
      { expert: 3, start: 4, count: 2 },
    ]);
  });

  it('has no groups without tokens', () => {
    expect(groupByExpert(zeros([0, 2], { dtype: 'int64' }), 4).groups).toEqual([]);
  });
});
