import { nn, noGrad, ops, rand, randn, scope, zeros, type Tensor } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertToPartial } from '../convert/index.js';
import { Mask, PartialSource, SearchSource } from '../partial/index.js';
import { applyPartition } from '../partition/index.js';
import { compactStateDict, loadCompactStateDict } from './compactState.js';
import { countStored } from './counting.js';

class Holder extends nn.Module {
  readonly plain = new nn.Linear({ inFeatures: 2, outFeatures: 2 });
  constructor(readonly source: PartialSource | SearchSource) {
    super();
  }
}

function searched(shape: number[], numKernels: number, mask: Mask): Holder {
  return new Holder(new SearchSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape), mask }));
}

function partial(shape: number[], numKernels: number, mask: Mask): Holder {
  return new Holder(new PartialSource({ bank: randn([numKernels, ...shape]), staticWeight: randn(shape), mask }));
}

function effective({ source }: Holder): Tensor {
  return source.effective(true).bank!;
}

describe('the compact form', () => {
  it('keeps κn of each bank entry and (1 − κ)n of the static weight, in order', () => {
    const network = searched([2, 2], 3, Mask.fromBits([2, 2], Uint8Array.of(0b1010)));
    const state = compactStateDict(network);
    expect([...state.keys()]).toEqual([...network.stateDict().keys()]);
    expect(state.get('source.bank')!.shape).toEqual([3, 2]);
    const bank = network.source.bank.toArray();
    expect(state.get('source.bank')!.toArray()).toEqual([1, 3, 5, 7, 9, 11].map((index) => bank[index]));
    const fixed = network.source.staticWeight.toArray();
    expect(state.get('source.static_weight')!.toArray()).toEqual([fixed[0], fixed[2]]);
    expect(state.get('plain.weight')!.toArray()).toEqual(network.plain.weight.toArray());
  });

  it('comes back exactly, for any mask, to a network that has no mask yet or another one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(searched, partial),
        fc.constantFrom(searched, partial),
        (numKernels, size, ratio, from, to) => {
          scope(() => {
            const mask = Mask.fromTensor(rand([size]).lt(ratio));
            const network = from([size], numKernels, mask);
            const copy = to([size], numKernels, Mask.full([size]));
            copy.eval();
            loadCompactStateDict(copy, compactStateDict(network));
            expect(copy.source).toBeInstanceOf(PartialSource);
            expect(copy.source.training).toBe(false);
            expect(copy.source.mask.equals(mask)).toBe(true);
            expect(ops.equal(effective(copy), effective(network))).toBe(true);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('says what does not fit, and changes nothing then', () => {
    const network = searched([4], 2, Mask.full([4]));
    const { source } = network;
    const before = source.bank.toArray();
    const state = compactStateDict(partial([4], 2, Mask.fromBits([4], Uint8Array.of(1))));
    state.set('source.bank', zeros([2, 3]));
    const load = (): void => {
      loadCompactStateDict(network, state);
    };
    expect(load).toThrow('the weights do not fit Holder: source.bank has shape [2, 3], expected [2, 1]');
    state.delete('source.bank');
    expect(load).toThrow('missing source.bank [2, 1]');
    state.set('source.mask_bits', ops.full([1], 255, { dtype: 'uint8' }));
    expect(load).toThrow('a mask of 4 entries has bits set beyond its end');
    state.delete('source.mask_bits');
    expect(load).toThrow('missing source.mask_bits');
    expect(network.source).toBe(source);
    expect(source.bank.toArray()).toEqual(before);
  });

  describe('of a layer that is static in it', () => {
    const network = (bias = false): nn.Sequential => {
      const conv = (): nn.Conv2d => new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 3, bias });
      return convertToPartial(new nn.Sequential(conv(), conv(), conv()), { numKernels: 3 }).eval();
    };

    it.each([false, true])(
      'makes it so in a network where it was searched, with a bias (%s) where it has one',
      (bias) => {
        const saved = network(bias);
        const shape = [2, 2, 3, 3];
        const half = Mask.fromTensor(rand(shape).lt(0.5));
        const masks = new Map([
          ['1', Mask.empty(shape)],
          ['2', half],
        ]);
        applyPartition(saved, { masks });
        const copy = network(bias);
        loadCompactStateDict(copy, compactStateDict(saved));
        expect(copy.getModule('1')).toBeInstanceOf(nn.Conv2d);
        expect(copy.getModule('1').training).toBe(false);
        expect(copy.getModule('2.source')).toBeInstanceOf(PartialSource);
        expect(countStored(copy)).toEqual(countStored(saved));
        const input = randn([3, 2, 9, 9]);
        expect(noGrad(() => copy.forward(input).toArray())).toEqual(noGrad(() => saved.forward(input).toArray()));
        // Once more, into the network that has it static.
        loadCompactStateDict(copy, compactStateDict(saved));
      },
    );

    it('keeps the layer where the rest does not fit', () => {
      const saved = network();
      const shape = [2, 2, 3, 3];
      applyPartition(saved, { masks: new Map(['1', '2'].map((path) => [path, Mask.empty(shape)])) });
      const state = compactStateDict(saved);
      state.delete('2.weight');
      const copy = network();
      const layer = copy.getModule('1');
      expect(() => {
        loadCompactStateDict(copy, state);
      }).toThrow('missing 2.router.fc1.weight');
      expect(copy.getModule('1')).toBe(layer);
    });
  });
});
