import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InputError } from './errors.js';
import { readSafetensors } from './safetensors.js';

function file(header: object, data: number): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const whole = file({ __metadata__: { format: 'x' }, a: { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] } }, 8);

it('reads names, types and places', () => {
  const { tensors, metadata } = readSafetensors(whole, 'file');
  expect(metadata).toEqual({ format: 'x' });
  expect(tensors.get('a')).toMatchObject({ type: 'F32', shape: [2, 1] });
  expect(tensors.get('a')!.bytes.length).toBe(8);
});

it.each([
  ['offsets beyond the end', { a: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }],
  ['offsets that go backwards', { a: { dtype: 'F32', shape: [2], data_offsets: [8, 0] } }],
  ['a shape of another size', { a: { dtype: 'F32', shape: [3], data_offsets: [0, 8] } }],
  ['a negative shape', { a: { dtype: 'F32', shape: [-2], data_offsets: [0, 8] } }],
  ['a type that is not known', { a: { dtype: 'F64', shape: [1], data_offsets: [0, 8] } }],
  ['a type of JavaScript’s own', { a: { dtype: 'toString', shape: [1], data_offsets: [0, 8] } }],
  ['a third offset', { a: { dtype: 'F32', shape: [2], data_offsets: [0, 8, 8] } }],
  ['no entry', { a: null }],
])('refuses %s', (_, header) => {
  expect(() => readSafetensors(file(header, 8), 'file')).toThrow(/^file is damaged or cut off: tensor a has a wrong/);
});

it.each<[string, ...(readonly [number, number])[]]>([
  ['that share numbers', [0, 8], [0, 4]],
  ['that overlap', [0, 8], [4, 8]],
  ['behind a gap', [4, 8]],
  ['with a gap', [0, 2], [4, 8]],
  ['before bytes of nobody', [0, 4]],
])('refuses tensors %s', (_, ...places) => {
  const entries = places.map(([from, to], index) => {
    return [`t${index}`, { dtype: 'U8', shape: [to - from], data_offsets: [from, to] }];
  });
  expect(() => readSafetensors(file(Object.fromEntries(entries) as object, 8), 'file')).toThrow(
    'file is damaged or cut off: its tensors lie over each other, or leave gaps; get the file again',
  );
});

it('reads tensors in any order, empty ones too', () => {
  const entries = [
    ['b', 4, 8],
    ['none', 4, 4],
    ['a', 0, 4],
  ] as const;
  const header = entries.map(([name, from, to]) => {
    return [name, { dtype: 'U8', shape: [to - from], data_offsets: [from, to] }];
  });
  expect([...readSafetensors(file(Object.fromEntries(header) as object, 8), 'file').tensors.keys()]).toEqual([
    'b',
    'none',
    'a',
  ]);
});

it('says in one line what is wrong with any bytes', () => {
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255), length: fc.nat(whole.length) });
  fc.assert(
    fc.property(change, ({ at, byte, length }) => {
      const bytes = whole.slice(0, Math.max(length, at + 1));
      bytes[at] = byte;
      try {
        readSafetensors(bytes, 'file');
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        expect((error as InputError).message).not.toContain('\n');
      }
    }),
    { numRuns: 300 },
  );
});
