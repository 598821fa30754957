import { describe, expect, it } from 'vitest';
import { nn } from '../index.js';

describe('evaluationMode', () => {
  it('ends with every module in the mode that it was in, also where something throws', () => {
    const frozen = new nn.BatchNorm2d({ numFeatures: 2 });
    const network = new nn.Sequential(frozen, new nn.BatchNorm2d({ numFeatures: 2 }));
    frozen.eval();
    const modes = (): boolean[] => Array.from(network.namedModules(), ([, { training }]) => training);
    expect(() => {
      using _mode = nn.evaluationMode(network);
      expect(modes()).toEqual([false, false, false]);
      throw new Error('stop');
    }).toThrow('stop');
    expect(modes()).toEqual([true, false, true]);
  });
});
