/** The `tokenizer.json` that Hugging Face would write for older vocabulary files. */

import { InputError } from '../errors.js';

type Json = Readonly<Record<string, unknown>>;

/** Ids of these tokens, which the file must hold. */
function addedTokens(names: readonly string[], vocabulary: ReadonlyMap<string, number>, file: string): Json[] {
  return names.map((content) => {
    const id = vocabulary.get(content);
    if (id === undefined) throw new InputError(`${file}: expected the token ${content}, it is not there`);
    return {
      id,
      content,
      special: true,
      normalized: false,
      single_word: false,
      lstrip: content === '<mask>',
      rstrip: false,
    };
  });
}

/** Lines of a text file without the end of the last one. */
function lines(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

/**
 * BERT's WordPiece from a `vocab.txt`, one token a line, numbered from 0.
 *
 * @param config `tokenizer_config.json`: `do_lower_case` (default true), `strip_accents` (default: as `do_lower_case`)
 *   and `tokenize_chinese_chars` (default true) count
 */
export function wordPieceJson(vocabulary: string, config: Json, file: string): Json {
  const vocab = new Map(lines(vocabulary).map((token, id) => [token, id]));
  return {
    added_tokens: addedTokens(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], vocab, file),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', cls: ['[CLS]'], sep: ['[SEP]'] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}

/**
 * RoBERTa's byte-level BPE from `vocab.json` (token to id) and `merges.txt` (a pair a line, most frequent first, after
 * an optional `#version` line).
 *
 * @param config `tokenizer_config.json`: `add_prefix_space` (default false) counts
 */
export function byteLevelBpeJson(vocab: Json, merges: string, config: Json, file: string): Json {
  const ids = new Map(Object.entries(vocab).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
  const pairs = lines(merges).filter((line) => line !== '' && !line.startsWith('#version'));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: config.add_prefix_space ?? false, trim_offsets: true };
  return {
    added_tokens: addedTokens(['<s>', '<pad>', '</s>', '<unk>', '<mask>'], ids, file),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: { type: 'RobertaProcessing', cls: ['<s>'], sep: ['</s>'] },
    decoder: byteLevel,
    model: { type: 'BPE', unk_token: '<unk>', vocab, merges: pairs },
  };
}
