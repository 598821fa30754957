/** Weights that a runtime makes of the compact form, against the same made by libtorch. */
import { expandWeights, readSafetensors, type Safetensors, type WeightEntry } from '@padnet/runtime';
import { encodeSafetensors, manualSeed, ops, rand, randn, scope, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Mask } from '../partial/index.js';

const [numKernels, outFeatures, inFeatures] = [3, 6, 5];
const size = outFeatures * inFeatures;
const dtypes = ['float32', 'float16', 'bfloat16', 'int8'] as const;
type StoredDType = (typeof dtypes)[number];

/** Of every kind of tensor that is stored, and its numbers in float32. */
interface Stored {
  readonly tensors: Map<string, Tensor>;
  readonly numbers: Map<string, Tensor>;
}

/** @param scaleOf the scale of each number, from one for each channel */
function store(
  { tensors, numbers }: Stored,
  name: string,
  value: Tensor,
  dtype: StoredDType,
  scales: readonly number[],
  scaleOf: (scale: Tensor) => Tensor,
): void {
  if (dtype === 'int8') {
    const whole = rand(value.shape).mul(254).sub(127).round().to('int8');
    const scale = rand(scales).add(0.01);
    tensors.set(name, whole).set(`${name}.scale`, scale);
    numbers.set(name, whole.to('float32').mul(scaleOf(scale)));
    return;
  }
  const stored = value.to(dtype);
  tensors.set(name, stored);
  numbers.set(name, stored.to('float32'));
}

function drawn(dtype: StoredDType, mask: Tensor): Stored & { readonly mask: Tensor } {
  const stored: Stored = { tensors: new Map(), numbers: new Map() };
  const bits = Mask.fromTensor(mask.to('float32')).bits;
  stored.tensors.set('partial.mask_bits', ops.zeros([bits.length], { dtype: 'uint8' }));
  for (const [index, byte] of bits.entries()) stored.tensors.get('partial.mask_bits')!.select(0, index).fill_(byte);
  const flat = mask.reshape([-1]);
  const channels = ops.arange(outFeatures, { dtype: 'int64' }).unsqueeze(1).expand(mask.shape).reshape([-1]);
  const positions = (which: Tensor): Tensor => ops.nonzero(which).reshape([-1]);
  const [dynamic, constant] = [positions(flat), positions(flat.logicalNot())].map((at) => channels.indexSelect(0, at));
  const [d, s] = [dynamic!.numel, constant!.numel];
  const column = (scale: Tensor): Tensor => scale.unsqueeze(-1);
  store(stored, 'matrix', randn([outFeatures, inFeatures]), dtype, [outFeatures], column);
  store(stored, 'whole.bank', randn([numKernels, outFeatures, inFeatures]), dtype, [numKernels, outFeatures], column);
  store(stored, 'partial.bank', randn([numKernels, d]), dtype, [numKernels, outFeatures], (scale) =>
    scale.indexSelect(1, dynamic!),
  );
  store(stored, 'partial.static_weight', randn([s]), dtype, [outFeatures], (scale) => scale.indexSelect(0, constant!));
  return { ...stored, mask };
}

function read(tensors: Map<string, Tensor>): Safetensors {
  return readSafetensors(encodeSafetensors(tensors), 'model.safetensors');
}

type WithoutOffset<Entry> = Entry extends unknown ? Omit<Entry, 'offset'> : never;

function expanded(compact: Safetensors, entry: WithoutOffset<WeightEntry>): number[] {
  const length = entry.shape.reduce((product, each) => product * each, 1);
  // Not at the start, where a wrong offset would not be seen.
  const weights = { bytes: 64 + 4 * length, tensors: [{ ...entry, offset: 64 }] };
  return Array.from(new Float32Array(expandWeights(compact, weights, 'model.safetensors').buffer, 64));
}

const flatten = (value: Tensor): number[] => Array.from(value.contiguous().toTypedArray() as Float32Array);

describe.each(dtypes)('weights stored as %s', (dtype) => {
  it.each(['entries', 'rows', 'full', 'empty'])('are laid out for a graph; the mask: %s', (kind) => {
    scope(() => {
      manualSeed(7);
      const shape = [outFeatures, inFeatures];
      const mask = {
        entries: rand(shape).lt(0.4),
        rows: rand([outFeatures, 1]).lt(0.5).expand(shape).contiguous(),
        full: rand(shape).lt(2),
        empty: rand(shape).lt(-1),
      }[kind]!;
      const { tensors, numbers } = drawn(dtype, mask);
      const compact = read(tensors);
      const at = (name: string): Tensor => numbers.get(name)!;

      const matrix = { kind: 'tensor', tensor: 'matrix' } as const;
      expect(expanded(compact, { ...matrix, shape })).toEqual(flatten(at('matrix')));
      expect(expanded(compact, { ...matrix, transpose: true, shape: shape.toReversed() })).toEqual(
        flatten(at('matrix').t()),
      );

      const bank = { kind: 'tensor', tensor: 'whole.bank' } as const;
      expect(expanded(compact, { ...bank, shape: [numKernels, size] })).toEqual(flatten(at('whole.bank')));
      const swapped = { ...bank, transpose: true as const, shape: [numKernels, inFeatures, outFeatures] };
      expect(expanded(compact, swapped)).toEqual(flatten(at('whole.bank').transpose(1, 2)));
      for (let row = 0; row < numKernels; row++)
        expect(expanded(compact, { ...bank, row, shape })).toEqual(flatten(at('whole.bank').select(0, row)));

      const dynamic = { kind: 'tensor', tensor: 'partial.bank' } as const;
      const [, numDynamic = 0] = at('partial.bank').shape;
      for (let row = 0; row < numKernels; row++) {
        const entry = { ...dynamic, row, shape: [numDynamic] };
        expect(expanded(compact, entry)).toEqual(flatten(at('partial.bank').select(0, row)));
      }
      expect(expanded(compact, { ...dynamic, shape: [numKernels, numDynamic] })).toEqual(flatten(at('partial.bank')));
      const constantPart = { kind: 'tensor', tensor: 'partial.static_weight' } as const;
      expect(expanded(compact, { ...constantPart, shape: [size - numDynamic] })).toEqual(
        flatten(at('partial.static_weight')),
      );

      const constant = ops.zeros(shape).maskedScatter(mask.logicalNot(), at('partial.static_weight'));
      const source = { source: 'partial', weight: shape };
      expect(expanded(compact, { kind: 'constant', ...source, shape })).toEqual(flatten(constant));
      const turned = { kind: 'constant', ...source, transpose: true } as const;
      expect(expanded(compact, { ...turned, shape: shape.toReversed() })).toEqual(flatten(constant.t()));
      for (const around of ['shared', 'none'] as const) {
        const base = around === 'shared' ? constant : ops.zeros(shape);
        const kernels = Array.from({ length: numKernels }, (_, kernel) =>
          base.maskedScatter(mask, at('partial.bank').select(0, kernel)),
        );
        const made = { kind: 'bank', ...source, constant: around } as const;
        expect(expanded(compact, { ...made, shape: [numKernels, size] })).toEqual(flatten(ops.stack(kernels)));
        for (const [row, kernel] of kernels.entries()) {
          expect(expanded(compact, { ...made, row, shape })).toEqual(flatten(kernel));
          const other = { ...made, row, transpose: true as const, shape: shape.toReversed() };
          expect(expanded(compact, other)).toEqual(flatten(kernel.t()));
        }
      }
    });
  });

  it('are refused where they are not those of the graph', () => {
    scope(() => {
      manualSeed(8);
      const shape = [outFeatures, inFeatures];
      const { tensors } = drawn(dtype, rand(shape).lt(0.4));
      const misfit = (name: string): string =>
        `model.safetensors does not fit its graph: ${name} has another size; export the network again`;
      const refused = (entry: WithoutOffset<WeightEntry>, message: string, of = tensors): void => {
        expect(() => expanded(read(of), entry)).toThrow(message);
      };
      const bank = { kind: 'tensor', tensor: 'whole.bank' } as const;
      refused({ ...bank, shape: [numKernels, size + 1] }, misfit('whole.bank'));
      refused({ ...bank, row: numKernels, shape }, misfit('whole.bank'));
      refused({ ...bank, row: 0, shape: [size - 1] }, misfit('whole.bank'));
      refused(
        { kind: 'tensor', tensor: 'other', shape },
        'model.safetensors does not fit its graph: it has no other; export the network again',
      );
      const made = { kind: 'bank', source: 'partial', constant: 'shared' } as const;
      refused({ ...made, weight: shape, row: numKernels, shape }, misfit('partial.bank'));
      refused({ ...made, weight: shape, shape: [numKernels + 1, size] }, misfit('partial.bank'));
      refused({ ...made, weight: [outFeatures, 4], row: 0, shape: [outFeatures, 4] }, misfit('partial.mask_bits'));
      const bits = tensors.get('partial.mask_bits')!;
      const other = new Map([...tensors, ['partial.mask_bits', bits.bitwiseXor(1)] as const]);
      refused({ ...made, weight: shape, row: 0, shape }, misfit('partial.mask_bits'), other);
      const beyond = { bytes: 4 * size, tensors: [{ ...bank, shape: [numKernels, size], offset: 0 }] };
      expect(() => expandWeights(read(tensors), beyond, 'model.safetensors')).toThrow('a weight lies beyond the end');
      if (dtype !== 'int8') return;
      const scale = new Map([...tensors, ['partial.bank.scale', rand([numKernels, outFeatures - 1])] as const]);
      refused({ ...made, weight: shape, row: 0, shape }, misfit('partial.bank.scale'), scale);
      const matrix = new Map([...tensors, ['matrix.scale', rand([outFeatures + 1])] as const]);
      refused({ kind: 'tensor', tensor: 'matrix', shape }, misfit('matrix.scale'), matrix);
    });
  });
});
