import { nn, ops, randn, rand, scope, zeros, type Tensor } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactStateDict, loadCompactStateDict } from './compact.js';
import { Mask } from './mask.js';
import { PartialSource } from './partialSource.js';

class Holder extends nn.Module {
  readonly plain = new nn.Linear({ inFeatures: 2, outFeatures: 2 });
  constructor(readonly source: PartialSource) {
    super();
  }
}

function holder(shape: number[], numKernels: number, mask: Mask): Holder {
  return new Holder(new PartialSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape), mask }));
}

function effective({ source }: Holder): Tensor {
  return source.effective(true).bank!;
}

describe('the compact form', () => {
  it('keeps κn of each bank entry and (1 − κ)n of the static weight, in order', () => {
    const network = holder([2, 2], 3, Mask.fromBits([2, 2], Uint8Array.of(0b1010)));
    const state = compactStateDict(network);
    expect(state.get('source.bank')!.shape).toEqual([3, 2]);
    expect(state.get('source.static_weight')!.shape).toEqual([2]);
    const bank = network.source.bank.toArray();
    expect(state.get('source.bank')!.toArray()).toEqual([1, 3, 5, 7, 9, 11].map((index) => bank[index]));
    expect(state.get('plain.weight')!.toArray()).toEqual(network.plain.weight.toArray());
  });

  it('comes back exactly, for any mask', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (numKernels, size, ratio) => {
          scope(() => {
            const mask = Mask.fromTensor(rand([size]).lt(ratio));
            const network = holder([size], numKernels, mask);
            const copy = holder([size], numKernels, Mask.full([size]));
            loadCompactStateDict(copy, compactStateDict(network));
            expect(copy.source.mask.equals(mask)).toBe(true);
            expect(ops.equal(effective(copy), effective(network))).toBe(true);
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  it('says what does not fit, and changes nothing then', () => {
    const network = holder([4], 2, Mask.full([4]));
    const before = network.source.bank.toArray();
    const state = compactStateDict(holder([4], 2, Mask.fromBits([4], Uint8Array.of(1))));
    state.set('source.bank', zeros([2, 3]));
    expect(() => {
      loadCompactStateDict(network, state);
    }).toThrow(
      'the weights do not fit: source.bank [2, 3] and source.static_weight [3] where the mask asks for [2, 1] and [3]',
    );
    state.delete('source.bank');
    expect(() => {
      loadCompactStateDict(network, state);
    }).toThrow('missing source.bank');
    expect(network.source.bank.toArray()).toEqual(before);
  });
});
