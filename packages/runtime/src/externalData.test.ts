import { describe, expect, it } from 'vitest';
import { externalLocations } from './externalData.js';

/** A field with a length. */
function field(number: number, contents: readonly number[] | string): number[] {
  const bytes = typeof contents === 'string' ? Array.from(new TextEncoder().encode(contents)) : contents;
  return [...varint(8 * number + 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

const entry = (key: string, value: string): number[] => field(13, [...field(1, key), ...field(2, value)]);
const tensor = (location: string): number[] => [
  ...[8, 4], // a dimension
  ...field(8, 'its name'),
  ...entry('location', location),
  ...entry('offset', '64'),
];
const model = (graph: number[]): Uint8Array => Uint8Array.from([8, 8, ...field(2, 'padnet'), ...field(7, graph)]);
const locations = (graph: number[]): string[] => [...externalLocations(model(graph))];

describe('externalLocations', () => {
  it('are those of initializers, sparse ones included', () => {
    expect(locations([...field(5, tensor('a')), ...field(5, tensor('b')), ...field(5, tensor('a'))])).toEqual([
      'a',
      'b',
    ]);
    expect(locations(field(15, [...field(1, tensor('values')), ...field(2, tensor('indices'))]))).toEqual([
      'values',
      'indices',
    ]);
    expect(locations([])).toEqual([]);
  });

  it.each([
    ['a tensor', 5, tensor('within')],
    ['tensors', 10, tensor('within')],
    ['a graph', 6, field(5, tensor('within'))],
    ['graphs', 11, field(1, field(5, field(6, field(5, tensor('within')))))],
    ['a sparse tensor', 22, field(1, tensor('within'))],
    ['sparse tensors', 23, field(2, tensor('within'))],
  ])('are those of nodes whose attribute is %s', (_, number, contents) => {
    expect(locations(field(1, [...field(1, 'input'), ...field(5, field(number, contents))]))).toEqual(['within']);
  });

  it('are those of functions and of what trains', () => {
    const node = field(5, field(5, tensor('within')));
    expect([...externalLocations(Uint8Array.from(field(25, field(7, node))))]).toEqual(['within']);
    expect([...externalLocations(Uint8Array.from(field(20, field(2, field(5, tensor('later'))))))]).toEqual(['later']);
  });

  it('takes the last of two values, as protobuf does', () => {
    const twice = field(13, [...field(1, 'location'), ...field(2, 'weights.bin'), ...field(2, '/etc/passwd')]);
    expect(locations(field(5, twice))).toEqual(['/etc/passwd']);
  });

  it('refuses what is no graph, and graphs without an end', () => {
    const whole = model(field(5, tensor('weights.bin')));
    for (let length = 1; length < whole.length; length++) {
      if (length === 2 || length === 10) continue; // ends of fields
      expect(() => externalLocations(whole.subarray(0, length)), `${length} bytes`).toThrow(RangeError);
    }
    expect(() => externalLocations(Uint8Array.of(0x0b))).toThrow(RangeError);
    expect(() => externalLocations(new Uint8Array(20).fill(0xff))).toThrow(RangeError);
    let nested = field(5, tensor('deep'));
    for (let depth = 0; depth < 60; depth++) nested = field(1, field(5, field(6, nested)));
    expect(() => locations(nested)).toThrow('nested too deeply');
  });
});
