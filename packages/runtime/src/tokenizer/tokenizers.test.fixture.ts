/** Small tokenizers; the ids that tests expect of them are those of Hugging Face's Python package. */

import { TextTokenizer } from './textTokenizer.js';

const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
const special = (contents: readonly string[]) => contents.map((content, id) => ({ id, content, ...flags }));
const template = (sep: string, types: readonly [number, number]) => {
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [token('[CLS]', 0), sequence('A', types[0]), token(sep, types[0])];
  return { type: 'TemplateProcessing', single, pair: [...single, sequence('B', types[1]), token(sep, types[1])] };
};

/** Lines of a `vocab.txt`. */
export const wordPieces = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat s ##s sat on un ##aff ##able ! ' naive 中 国".split(
  ' ',
);

/** As BERT's, with the sections on truncation and padding that some files carry. */
export const wordPieceFile = {
  version: '1.0',
  truncation: { max_length: 3, strategy: 'LongestFirst', stride: 0 },
  padding: { strategy: { Fixed: 128 }, pad_id: 0, pad_token: '[PAD]' },
  added_tokens: special(wordPieces.slice(0, 5)),
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: template('[SEP]', [0, 1]),
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(wordPieces.map((token, id) => [token, id])),
  },
};

/** `vocab.json` and `merges.txt` as RoBERTa's. */
export const bpeTokens = '<s> <pad> </s> <unk> t h e Ġ c a th the Ġc at Ġcat Ã © <mask>'.split(' ');
export const bpeVocabulary = Object.fromEntries(bpeTokens.map((token, id) => [token, id]));
export const bpeMerges = '#version: 0.2\nt h\nth e\nĠ c\na t\nĠc at\n';

/** As ALBERT's. */
export const unigramFile = {
  added_tokens: special(['<pad>', '<unk>', '[CLS]', '[SEP]']),
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKD' }, { type: 'StripAccents' }, { type: 'Lowercase' }] },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
  post_processor: template('[SEP]', [0, 1]),
  decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
  model: {
    type: 'Unigram',
    unk_id: 1,
    vocab: [
      ['<pad>', 0],
      ['<unk>', 0],
      ['[CLS]', 0],
      ['[SEP]', 0],
      ['[MASK]', 0],
      ['▁the', -2],
      ['▁', -3],
      ['c', -4],
      ['a', -4.1],
      ['t', -4.2],
      ['at', -4.5],
      ['▁cat', -5],
      ['s', -3.5],
      ['▁c', -6],
    ],
  },
};

export function wordPieceTokenizer(): TextTokenizer {
  return new TextTokenizer(wordPieceFile, {}, 'tokenizer.json');
}
