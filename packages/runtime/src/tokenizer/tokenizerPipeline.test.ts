import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { letters, steps, tokenizers, words } from './tokenizerPipeline.references.generated.js';
import { TokenizerPipeline } from './tokenizerPipeline.js';

const parse = (json: string): Record<string, unknown> => JSON.parse(json) as Record<string, unknown>;

function digest(lines: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${line}\n`);
  return hash.digest('hex').slice(0, 8);
}

const blockSize = 0x4000;

/** Each code point alone, between letters, doubled, and with an accent. */
function* textsOfBlock(start: number): Iterable<string> {
  for (let first = start; first < start + blockSize; first += 0x100) {
    const codePoints = Array.from({ length: 0x100 }, (_, index) => first + index);
    const texts = codePoints
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      .map((letter) => `${letter}a${letter}b ${letter}${letter}\u0301x`);
    if (texts.length > 0) yield texts.join('');
  }
}

/** The basic plane, and of the others where scripts, signs and ideographs are; the rest has little that differs. */
const isTried = (start: number): boolean =>
  process.env.PADNET_LONG_TESTS === '1' || start < 0x14000 || [0x1c000, 0x20000, 0x28000, 0xe0000].includes(start);

describe.each(steps)('the steps of $name', ({ json, hashes }) => {
  it("make Hugging Face's pieces of every code point", () => {
    const pipeline = new TokenizerPipeline(parse(json));
    const expected = hashes.split(',').map((hash, block) => [block * blockSize, hash] as const);
    expect(expected).toHaveLength(0x110000 / blockSize);
    for (const [start, hash] of expected) {
      if (!isTried(start)) continue;
      const found = digest(Array.from(textsOfBlock(start), (text) => pipeline.pieces(text).join('\x1f')));
      expect([start.toString(16), found]).toEqual([start.toString(16), hash]);
    }
  });
});

/** As the references draw them. */
function randomTexts(count: number): string[] {
  let state = 1;
  const draw = (below: number): number => {
    state = (state * 48271) % 0x7fffffff;
    return state % below;
  };
  const part = (): string => {
    switch (draw(4)) {
      case 0:
        return words[draw(words.length)]!;
      case 1:
        return String.fromCodePoint(letters[draw(letters.length)]!);
      case 2:
        return String.fromCodePoint(33 + draw(94));
      default:
        return String.fromCodePoint(draw(0x3000));
    }
  };
  return Array.from({ length: count }, () => Array.from({ length: 1 + draw(9) }, part).join(''));
}

describe.each(tokenizers)('a tokenizer of $name', ({ json, hashes }) => {
  it("gives Hugging Face's ids for random texts", () => {
    const pipeline = new TokenizerPipeline(parse(json));
    const expected = hashes.split(',');
    const texts = randomTexts(250 * expected.length);
    const found = expected.map((_, group) =>
      digest(texts.slice(250 * group, 250 * (group + 1)).map((text) => pipeline.encode(text).join(' '))),
    );
    expect(found).toEqual(expected);
  });
});

const wordLevel = { type: 'WordLevel', vocab: { u: 0 }, unk_token: 'u' };
const regex = (Regex: string) => ({
  pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
});
const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

describe('what is not known', () => {
  it.each<[string, object]>([
    [
      'normalizer.type: "Rot13" is not known here, expected one of BertNormalizer, NFC,',
      { normalizer: { type: 'Rot13' } },
    ],
    [
      'normalizer.normalizers.0.type: "X" is not known here',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'X' }] } },
    ],
    ['pre_tokenizer.type: "UnicodeScripts" is not known here', { pre_tokenizer: { type: 'UnicodeScripts' } }],
    ['model.type: "BNE" is not known here, expected one of WordPiece, WordLevel, BPE', { model: { type: 'BNE' } }],
    ['Unrecognized key: "prefix"', { prefix: 1 }],
    ['pre_tokenizer: Unrecognized key: "x"', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, x: 1 } }],
    [
      'model.dropout: dropout draws other tokens each time',
      { model: { type: 'BPE', dropout: 0.1, vocab: {}, merges: [] } },
    ],
    ['model: merges[0] makes or takes "b", which is not', { model: { type: 'BPE', vocab: { a: 0 }, merges: ['a b'] } }],
    ['model: merges[0] is "a", expected two tokens', { model: { type: 'BPE', vocab: { a: 0 }, merges: ['a'] } }],
    [
      'model: unk_id is 3, but the vocabulary has 1 tokens',
      { model: { type: 'Unigram', unk_id: 3, vocab: [['a', 0]] } },
    ],
    ['model.vocab: expected the id of each token', { model: { ...wordLevel, vocab: { u: 'a' } } }],
    [
      'added_tokens has id 5 for "x", expected 1, the next that is free',
      { added_tokens: [{ id: 5, content: 'x', ...flags }] },
    ],
    [
      'added_tokens has id 1 for "u", expected 0, that of the vocabulary',
      { added_tokens: [{ id: 1, content: 'u', ...flags }] },
    ],
    [
      'precompiled_charsmap is cut off or damaged',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } },
    ],
    [
      'prepend_scheme first is supported only for a single Metaspace',
      { normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'Metaspace', replacement: '_', prepend_scheme: 'first' } },
    ],
    [
      'pre_tokenizer: the regular expression "(?i:a)" is not supported: the group (?i:… at character 1',
      regex('(?i:a)'),
    ],
    ['the regular expression "a++" is not supported: ++ at character 2 means something else', regex('a++')],
    ['the regular expression "\\\\p{Han}" is not supported: the property \\p{Han} is not known', regex('\\p{Han}')],
    ['the regular expression "[a[b]]" is not supported: [ at character 3, within a class', regex('[a[b]]')],
    ['the regular expression "[" is not supported: the class at character 1 has no end', regex('[')],
    ['the regular expression "\\\\bx" is not supported: \\b is not known', regex('\\bx')],
    ['the regular expression "a*" is not supported: it matches nothing at all', regex('a*')],
    ['the regular expression "(a" cannot be read', regex('(a')],
  ])('is refused by name: %s', (message, changes) => {
    const make = (): unknown => new TokenizerPipeline({ model: wordLevel, ...changes });
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });

  it('is a letter that no token spells', () => {
    const bpe = new TokenizerPipeline({ model: { type: 'BPE', vocab: { a: 0 }, merges: [] } });
    expect(() => bpe.encode('ab')).toThrow('"b" is not in the vocabulary, and there is no token for unknown ones');
    const pieces = new TokenizerPipeline({ model: { type: 'WordPiece', vocab: { a: 0 }, unk_token: '[UNK]' } });
    expect(() => pieces.encode('b')).toThrow('"b" is not in the vocabulary, nor is [UNK], the token for unknown ones');
  });
});

it('splits the sentence of QNLI that holds U+FEFF as Hugging Face does', () => {
  const { json } = steps.find(({ name }) => name === 'byte level')!;
  expect(new TokenizerPipeline(parse(json)).pieces('9°19′E\ufeff / \ufeff47.650°N')).toEqual([
    ...['9', 'Â°', '19', 'âĢ²', 'E', 'ï»¿', 'Ġ/', 'Ġï»¿', '47', '.', '650', 'Â°', 'N'],
  ]);
});

it('takes a word of 100,000 letters', () => {
  const { json } = tokenizers.find(({ name }) => name === 'byte-level BPE')!;
  const pipeline = new TokenizerPipeline(parse(json));
  const ids = pipeline.encode('the'.repeat(33_333));
  expect(ids.map((id) => pipeline.tokenOf(id)).join('')).toBe(`Ġ${'the'.repeat(33_333)}`);
});
