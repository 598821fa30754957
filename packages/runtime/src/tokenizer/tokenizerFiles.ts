/** A tokenizer from the files of a pretrained encoder, wherever they lie. */
import { InputError } from '../errors.js';
import { TextTokenizer } from './textTokenizer.js';
import { byteLevelBpeJson, wordPieceJson } from './tokenizerJson.js';

export interface TokenizerFiles {
  readonly has: (name: string) => boolean;
  readonly text: (name: string) => string;
  readonly json: (name: string) => Readonly<Record<string, unknown>>;
  /** What messages call the file. */
  readonly path: (name: string) => string;
}

/**
 * By `tokenizer.json`, else `vocab.txt` (BERT and ELECTRA's WordPiece), else `vocab.json` with `merges.txt` (RoBERTa's
 * byte-level BPE); `tokenizer_config.json` counts where it is there. Null where there is none of these.
 *
 * @throws InputError if one asks for what is not known here
 */
export function tokenizerOfFiles({ has, text, json, path }: TokenizerFiles): TextTokenizer | null {
  const config = has('tokenizer_config.json') ? json('tokenizer_config.json') : {};
  if (has('tokenizer.json')) return new TextTokenizer(json('tokenizer.json'), config, path('tokenizer.json'));
  if (has('added_tokens.json')) {
    throw new InputError(
      `${path('added_tokens.json')} adds tokens to the vocabulary, which only a tokenizer.json can do; give one`,
    );
  }
  if (has('vocab.txt')) {
    const file = path('vocab.txt');
    return new TextTokenizer(wordPieceJson(text('vocab.txt'), config, file), config, file);
  }
  if (has('vocab.json') && has('merges.txt')) {
    const file = path('vocab.json');
    return new TextTokenizer(byteLevelBpeJson(json('vocab.json'), text('merges.txt'), config, file), config, file);
  }
  return null;
}
