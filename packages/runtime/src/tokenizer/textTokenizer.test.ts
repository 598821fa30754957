import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { TextTokenizer } from './textTokenizer.js';
import { unigramFile, wordPieceFile, wordPieceTokenizer } from './tokenizers.test.fixture.js';

function expectError(run: () => unknown, message: string): void {
  expect(run).toThrow(InputError);
  expect(run).toThrow(message);
}

describe('TextTokenizer', () => {
  const tokenizer = wordPieceTokenizer();

  it('splits words into pieces', () => {
    expect(tokenizer.encode("The cat's unaffable!", null)).toEqual({
      inputIds: [2, 5, 6, 15, 7, 11, 12, 13, 14, 3],
      tokenTypeIds: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      tokens: ['[CLS]', 'the', 'cat', "'", 's', 'un', '##aff', '##able', '!', '[SEP]'],
    });
  });

  it('reads pairs with types 0 and 1; accents, tabs, hard spaces, Chinese and unknown words', () => {
    expect(tokenizer.encode('Naïve cats\tsat\u00a0on dogs', '中国')).toMatchObject({
      inputIds: [2, 16, 6, 8, 9, 10, 1, 3, 17, 18, 3],
      tokenTypeIds: [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1],
    });
  });

  it('keeps the place of an empty sentence', () => {
    expect(tokenizer.encode('', null).inputIds).toEqual([2, 3]);
    expect(tokenizer.encode('', 'the')).toMatchObject({ inputIds: [2, 3, 5, 3], tokenTypeIds: [0, 0, 1, 1] });
    expect(tokenizer.encode('the', '')).toMatchObject({ inputIds: [2, 5, 3, 3], tokenTypeIds: [0, 0, 0, 1] });
  });

  it('truncates from the longer sentence and says so', () => {
    const lengths: number[] = [];
    const onTruncate = (length: number) => lengths.push(length);
    const encode = (first: string, second: string | null, maxLength: number): string =>
      tokenizer.encode(first, second, { maxLength, onTruncate }).tokens.slice(1).join(' ');
    expect(encode('the cat sat', null, 4)).toBe('the cat [SEP]');
    expect(encode('the cat sat', null, 5)).toBe('the cat sat [SEP]');
    expect(encode('the cat sat on', '!', 6)).toBe('the cat [SEP] ! [SEP]');
    expect(encode('!', 'the cat sat on', 6)).toBe('! [SEP] the cat [SEP]');
    expect(encode('the cat sat', 'on the cat', 7)).toBe('the cat [SEP] on the [SEP]');
    expect(lengths).toEqual([5, 8, 8, 9]);
  });

  it('wants room for one token of each sentence', () => {
    expect(tokenizer.encode('the', 'cat', { maxLength: 5 }).inputIds).toEqual([2, 5, 3, 6, 3]);
    const message = 'maxLength must be at least 5 for 3 special tokens, got 4';
    expectError(() => tokenizer.encode('', '', { maxLength: 4 }), message);
    expectError(() => tokenizer.encode('', null, { maxLength: 2 }), 'at least 3 for 2 special tokens, got 2');
    expectError(() => tokenizer.encode('', null, { maxLength: NaN }), 'got NaN');
  });

  it("reads ALBERT's SentencePiece, unknown characters as one token", () => {
    const albert = new TextTokenizer(unigramFile, { pad_token: { content: '<pad>' } }, 'tokenizer.json');
    expect(albert.encode('The cats', null).tokens).toEqual(['[CLS]', '▁the', '▁cat', 's', '[SEP]']);
    expect(albert.encode('Thé cat', 'at ☃☃ sat')).toMatchObject({
      inputIds: [2, 5, 11, 3, 6, 10, 6, 1, 6, 12, 10, 3],
      tokenTypeIds: [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
    });
  });

  it('knows its padding token', () => {
    const padTokenId = (config: object): number =>
      new TextTokenizer(wordPieceFile, { ...config }, 'tokenizer.json').padTokenId;
    expect(padTokenId({})).toBe(0);
    expect(padTokenId({ pad_token: '[MASK]' })).toBe(4);
    expectError(
      () => padTokenId({ pad_token: '<pad>' }),
      'expected the padding token <pad>, it is not in the vocabulary',
    );
  });

  it('refuses what is not known, words that it cannot spell, and ids that are not there', () => {
    const load = (changes: object) => new TextTokenizer({ ...wordPieceFile, ...changes }, {}, 'a/tokenizer.json');
    expectError(() => load({ model: undefined }), 'a/tokenizer.json: model: Invalid input: expected object');
    expectError(() => load({ normalizer: { type: 'Rot13' } }), 'Rot13');
    const noUnknown = load({ model: { ...wordPieceFile.model, unk_token: '<unk>' } });
    expectError(
      () => noUnknown.encode('dog', null),
      'a/tokenizer.json: "dog" is not in the vocabulary, nor is <unk>, the token for unknown ones',
    );
    expectError(() => tokenizer.encode('a \ud83d', null), 'holds half a character, the surrogate U+D83D');
    expectError(() => tokenizer.tokens([5, 99]), 'tokenizer.json: the vocabulary has no token of id 99');
  });
});
