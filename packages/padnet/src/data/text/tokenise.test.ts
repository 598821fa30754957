import { describe, expect, it } from 'vitest';

import type { TextDataset } from './textDataset.js';
import { tokenise, type Truncation } from './tokenise.js';
import { wordPieceTokenizer } from '../../../../runtime/dist/tokenizer/tokenizers.test.fixture.js';

const tokenizer = wordPieceTokenizer();

function pairs(first: readonly string[], second: readonly string[] | null): TextDataset {
  const labels = Float32Array.from(first, (_, row) => row % 2);
  return { name: 'RTE/dev', length: first.length, first, second, labels, classNames: ['a', 'b'] };
}

describe('tokenise', () => {
  it('lays all examples one after the other', () => {
    expect(tokenise(pairs(['the cat', '', 'on'], ['sat', 'the', '']), tokenizer, { maxLength: 8 })).toEqual({
      name: 'RTE/dev',
      length: 3,
      inputIds: Int32Array.of(2, 5, 6, 3, 9, 3, 2, 3, 5, 3, 2, 10, 3, 3),
      tokenTypeIds: Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1),
      offsets: Uint32Array.of(0, 6, 10, 14),
      labels: Float32Array.of(0, 1, 0),
      classNames: ['a', 'b'],
      maxLength: 8,
      padTokenId: 0,
    });
  });

  it('tells once how many sentences were too long', () => {
    const told: Truncation[] = [];
    const onTruncate = (truncation: Truncation) => told.push(truncation);
    const dataset = pairs(['the', 'the cat sat', 'the cat sat on the cat', 'cat'], null);
    const { offsets } = tokenise(dataset, tokenizer, { maxLength: 4, onTruncate });
    expect([...offsets]).toEqual([0, 3, 7, 11, 14]);
    expect(told).toEqual([{ name: 'RTE/dev', count: 2, longest: 8, maxLength: 4 }]);
    tokenise(dataset, tokenizer, { maxLength: 8, onTruncate });
    expect(told.length).toBe(1);
  });

  it('takes a dataset without labels, and one without examples', () => {
    expect(tokenise({ ...pairs(['the'], null), labels: null }, tokenizer, { maxLength: 4 }).labels).toBeNull();
    const empty = tokenise(pairs([], null), tokenizer, { maxLength: 4 });
    expect(empty).toMatchObject({ length: 0, offsets: Uint32Array.of(0), inputIds: new Int32Array() });
  });

  it('wants a whole number of tokens', () => {
    expect(() => tokenise(pairs(['the'], null), tokenizer, { maxLength: Infinity })).toThrow('maxLength must be');
  });
});
