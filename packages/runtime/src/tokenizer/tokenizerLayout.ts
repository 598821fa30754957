import { InputError } from '../errors.js';

/** One place of a sequence: a special token, or all tokens of the first or second sentence. */
export type LayoutItem =
  | { readonly kind: 'token'; readonly id: number; readonly type: number }
  | { readonly kind: 'sentence'; readonly which: 'first' | 'second'; readonly type: number };

/** How special tokens and token types lie around one sentence, and around two. */
export interface TokenizerLayout {
  readonly single: readonly LayoutItem[];
  readonly pair: readonly LayoutItem[];
}

type Json = Readonly<Record<string, unknown>>;
type TokenId = (token: string) => number | undefined;

/** Kinds of `post_processor` that place special tokens. */
const KINDS = 'TemplateProcessing, BertProcessing or RobertaProcessing, alone or in a Sequence';

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const sentence = (which: 'first' | 'second', type: number): LayoutItem => ({ kind: 'sentence', which, type });

/**
 * The layout that the `post_processor` section of a `tokenizer.json` describes.
 *
 * @throws InputError if the section is none of those that encoders use, or a special token is not in the vocabulary
 */
export function tokenizerLayout(postProcessor: unknown, tokenId: TokenId, file: string): TokenizerLayout {
  /** @param given the id that the section has for it */
  const special = (token: unknown, type: number, given?: unknown): LayoutItem => {
    const id = typeof token === 'string' ? tokenId(token) : undefined;
    if (id === undefined) {
      throw new InputError(
        `${file}: post_processor names ${JSON.stringify(token)}, expected a token of the vocabulary`,
      );
    }
    if (given !== undefined && given !== id) {
      throw new InputError(
        `${file}: post_processor has id ${JSON.stringify(given)} for ${JSON.stringify(token)}, the vocabulary ${id}`,
      );
    }
    return { kind: 'token', id, type };
  };

  /** A special token of a template stands for one token of the vocabulary or more. */
  const specials = (name: unknown, type: number, known: unknown): LayoutItem[] => {
    const entry = isObject(known) && typeof name === 'string' ? known[name] : undefined;
    if (!isObject(entry) || !Array.isArray(entry.tokens) || !Array.isArray(entry.ids)) return [special(name, type)];
    const { tokens, ids } = entry as { readonly tokens: readonly unknown[]; readonly ids: readonly unknown[] };
    return tokens.map((token, index) => special(token, type, ids[index]));
  };

  const template = (processor: Json, key: 'single' | 'pair'): LayoutItem[] => {
    const items = processor[key];
    if (!Array.isArray(items)) throw new InputError(`${file}: expected post_processor.${key} to be a list`);
    return items.flatMap((item: unknown) => {
      if (isObject(item) && isObject(item.SpecialToken)) {
        return specials(item.SpecialToken.id, Number(item.SpecialToken.type_id ?? 0), processor.special_tokens);
      }
      if (isObject(item) && isObject(item.Sequence) && (item.Sequence.id === 'A' || item.Sequence.id === 'B')) {
        return sentence(item.Sequence.id === 'A' ? 'first' : 'second', Number(item.Sequence.type_id ?? 0));
      }
      throw new InputError(
        `${file}: post_processor.${key} holds ${JSON.stringify(item)}, expected SpecialToken or Sequence`,
      );
    });
  };

  if (isObject(postProcessor)) {
    switch (postProcessor.type) {
      case 'TemplateProcessing':
        return { single: template(postProcessor, 'single'), pair: template(postProcessor, 'pair') };
      case 'BertProcessing':
      case 'RobertaProcessing': {
        const { cls, sep } = postProcessor;
        const isRoberta = postProcessor.type === 'RobertaProcessing';
        const secondType = isRoberta ? 0 : 1;
        const token = (pair: unknown, type: number): LayoutItem =>
          Array.isArray(pair) ? special(pair[0], type, pair[1]) : special(pair, type);
        const single = [token(cls, 0), sentence('first', 0), token(sep, 0)];
        const between = isRoberta ? [token(sep, 0)] : [];
        return { single, pair: [...single, ...between, sentence('second', secondType), token(sep, secondType)] };
      }
      case 'Sequence': {
        const { processors } = postProcessor;
        const placing = (Array.isArray(processors) ? processors : []).filter(
          (processor: unknown) => isObject(processor) && processor.type !== 'ByteLevel',
        );
        if (placing.length === 1) return tokenizerLayout(placing[0], tokenId, file);
      }
    }
  }
  const found = isObject(postProcessor) ? String(postProcessor.type) : String(postProcessor);
  throw new InputError(`${file}: post_processor is ${found}, expected ${KINDS}; give the tokenizer of an encoder`);
}
