import { InputError } from '../errors.js';
import { checkConfig } from './tokenizerConfig.js';
import { TokenizerPipeline } from './tokenizerPipeline.js';
import { type LayoutItem, tokenizerLayout, type TokenizerLayout } from './tokenizerLayout.js';
import { longestFirst } from './truncate.js';

/** A sentence, or a pair, as an encoder reads it; all three are equally long. */
export interface Encoding {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
  readonly tokens: readonly string[];
}

export interface EncodeOptions {
  /** Tokens at most, special ones included; what is left out is taken from the longer sentence. @default no limit */
  readonly maxLength?: number | undefined;
  /** Called where tokens had to be left out, with the length that the whole would have had. */
  readonly onTruncate?: ((length: number) => void) | undefined;
}

/** Names of the padding token where `tokenizer_config.json` gives none: BERT's, ALBERT's, RoBERTa's. */
const PAD_TOKENS = ['[PAD]', '<pad>'];

/**
 * Splits sentences by a `tokenizer.json`, as Hugging Face's tokenizers does; special tokens as the file lays them out.
 */
export class TextTokenizer {
  readonly padTokenId: number;
  readonly #pipeline: TokenizerPipeline;
  readonly #layout: TokenizerLayout;
  readonly #file: string;

  /**
   * @param json contents of `tokenizer.json`; its sections on truncation and padding are not read
   * @param config contents of `tokenizer_config.json`
   * @param file what messages call it
   * @throws InputError if a part of it is not known, the two files contradict each other, or there is no padding token
   */
  constructor(json: Readonly<Record<string, unknown>>, config: Readonly<Record<string, unknown>>, file: string) {
    this.#file = file;
    this.#pipeline = this.#named(() => new TokenizerPipeline(json));
    checkConfig(json, config, file);
    const tokenId = (token: string): number | undefined => this.#pipeline.idOf(token);
    this.#layout = tokenizerLayout(json.post_processor, tokenId, file);
    const configured = tokenName(config.pad_token);
    const padTokens = configured === undefined ? PAD_TOKENS : [configured];
    const padTokenId = padTokens.map(tokenId).find((id) => id !== undefined);
    if (padTokenId === undefined) {
      throw new InputError(
        `${file}: expected the padding token ${padTokens.join(' or ')}, it is not in the vocabulary`,
      );
    }
    this.padTokenId = padTokenId;
  }

  /**
   * `first`, or the pair of `first` and `second`, with special tokens and token types.
   *
   * @throws InputError if `maxLength` does not leave room for one token of each sentence, half a character (a lone
   *   surrogate) is in a sentence, or the vocabulary cannot spell a word and has no token for unknown ones
   */
  encode(first: string, second: string | null, { maxLength = Infinity, onTruncate }: EncodeOptions = {}): Encoding {
    const layout = second === null ? this.#layout.single : this.#layout.pair;
    const numSpecial = layout.filter(({ kind }) => kind === 'token').length;
    const minimum = numSpecial + (second === null ? 1 : 2);
    if (!(maxLength >= minimum)) {
      throw new InputError(`maxLength must be at least ${minimum} for ${numSpecial} special tokens, got ${maxLength}`);
    }
    const ids = { first: this.#ids(first), second: second === null ? [] : this.#ids(second) };
    const length = ids.first.length + ids.second.length + numSpecial;
    if (length > maxLength) {
      const [keepFirst, keepSecond] = longestFirst(ids.first.length, ids.second.length, maxLength - numSpecial);
      ids.first.length = keepFirst;
      ids.second.length = keepSecond;
      onTruncate?.(length);
    }
    const itemIds = (item: LayoutItem): readonly number[] => (item.kind === 'token' ? [item.id] : ids[item.which]);
    const inputIds = layout.flatMap(itemIds);
    const tokenTypeIds = layout.flatMap((item) => itemIds(item).map(() => item.type));
    return { inputIds, tokenTypeIds, tokens: this.tokens(inputIds) };
  }

  /** How each of these tokens is written in the vocabulary. */
  tokens(ids: readonly number[]): string[] {
    return ids.map((id) => {
      const token = this.#pipeline.tokenOf(id);
      if (token === undefined) throw new InputError(`${this.#file}: the vocabulary has no token of id ${id}`);
      return token;
    });
  }

  #ids(text: string): number[] {
    const surrogate = loneSurrogate.exec(text);
    if (surrogate) {
      const code = surrogate[0].charCodeAt(0).toString(16).toUpperCase();
      throw new InputError(`${JSON.stringify(text)} holds half a character, the surrogate U+${code}; correct the text`);
    }
    return this.#named(() => this.#pipeline.encode(text));
  }

  /** Puts the file's name before what is wrong in it. */
  #named<T>(make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(`${this.#file}: ${error.message}`, { cause: error });
    }
  }
}

/** No text of Unicode has one: it has no UTF-8. */
const loneSurrogate = /\p{Surrogate}/u;

/** `"[PAD]"`, or the older `{ "content": "[PAD]", … }`. */
function tokenName(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content: unknown =
    typeof value === 'object' && value !== null && 'content' in value ? value.content : undefined;
  return typeof content === 'string' ? content : undefined;
}
