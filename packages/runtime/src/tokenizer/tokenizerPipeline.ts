/**
 * The steps of a `tokenizer.json` from text to ids: added tokens, normalizer, pre-tokenizer, model. Ids are those of
 * Hugging Face's tokenizers for every text; what a file asks for that is not known here is refused.
 */
import * as z from 'zod/mini';
import { english } from '../schemaMessages.js';
import { InputError } from '../errors.js';
import { addedTokenSchema, checkIds, tokenFinder, type AddedToken, type Part } from './addedTokens.js';
import { createModel } from './models.js';
import { modelSchema, withModelType, type TokenModel } from './tokenModel.js';
import { createNormalizer, normalizerSchema, type Normalizer } from './normalizers.js';
import { createPreTokenizer, preTokenizerSchema, type PreTokenizer } from './preTokenizers.js';

const schema = z.strictObject({
  version: z.optional(z.string()),
  /** How many tokens there may be is for the recipe to say. */
  truncation: z.optional(z.unknown()),
  padding: z.optional(z.unknown()),
  added_tokens: z._default(z.array(addedTokenSchema), []),
  normalizer: z.nullish(normalizerSchema),
  pre_tokenizer: z.nullish(preTokenizerSchema),
  /** `tokenizerLayout` reads it. */
  post_processor: z.optional(z.unknown()),
  /** From ids to text. */
  decoder: z.optional(z.unknown()),
  model: modelSchema,
});

/** Texts have the same words again and again. */
const MAX_KNOWN = 20_000;
const LONGEST_KNOWN = 50;

export class TokenizerPipeline {
  readonly #normalize: Normalizer;
  readonly #split: PreTokenizer;
  readonly #model: TokenModel;
  /** Ids of pieces that have been met. */
  readonly #known = new Map<string, readonly number[]>();
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #tokens: ReadonlyMap<number, string>;
  /** Finds added tokens in the text as it is, and in what it is normalized to. */
  readonly #findAdded: (text: string) => Part[];
  readonly #findNormalized: (text: string) => Part[];

  /** @throws InputError naming the part that is wrong, or not known here */
  constructor(json: Readonly<Record<string, unknown>>) {
    const parsed = schema.safeParse({ ...json, model: withModelType(json.model) }, { error: english });
    if (!parsed.success) throw new InputError(describeIssues(parsed.error));
    const { normalizer, pre_tokenizer, model, added_tokens } = parsed.data;
    this.#normalize = normalizer ? within('normalizer', () => createNormalizer(normalizer)) : (text) => text;
    const keepsStart = !normalizer;
    this.#split = pre_tokenizer
      ? within('pre_tokenizer', () => createPreTokenizer(pre_tokenizer, keepsStart))
      : (text) => [text];
    this.#model = within('model', () => createModel(model));
    const { vocabulary } = this.#model;
    checkIds(added_tokens, vocabulary);
    this.#addedIds = new Map(added_tokens.map(({ content, id }) => [content, id]));
    this.#tokens = new Map(Array.from([...vocabulary, ...this.#addedIds], ([token, id]) => [id, token]));
    const normalized = added_tokens.filter((token) => token.normalized);
    const plain = added_tokens.filter((token) => !token.normalized);
    this.#findAdded = tokenFinder(byContent(plain, (content) => content));
    this.#findNormalized = tokenFinder(byContent(normalized, this.#normalize));
  }

  /**
   * The ids of a text, without those that a layout adds.
   *
   * @throws InputError where a part of it is not in the vocabulary, and there is no token for unknown ones
   */
  encode(text: string): number[] {
    return this.#parts(text).flatMap((part) =>
      part.kind === 'token' ? [part.id] : part.pieces.flatMap((piece) => this.#idsOf(piece)),
    );
  }

  #idsOf(piece: string): readonly number[] {
    const known = this.#known.get(piece);
    if (known) return known;
    const ids = this.#model.encode(piece);
    if (this.#known.size < MAX_KNOWN && piece.length <= LONGEST_KNOWN) this.#known.set(piece, ids);
    return ids;
  }

  /** The input of the model: the pieces of a text, and added tokens as they are written in the vocabulary. */
  pieces(text: string): string[] {
    return this.#parts(text).flatMap((part) => (part.kind === 'token' ? [this.tokenOf(part.id)!] : part.pieces));
  }

  idOf(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#model.vocabulary.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  #parts(
    text: string,
  ): (Extract<Part, { kind: 'token' }> | { readonly kind: 'pieces'; readonly pieces: readonly string[] })[] {
    return this.#findAdded(text).flatMap((part, index) => {
      if (part.kind === 'token') return [part];
      return this.#findNormalized(this.#normalize(part.text)).map((inner, place) => {
        if (inner.kind === 'token') return inner;
        const isStart = index === 0 && place === 0;
        return { kind: 'pieces' as const, pieces: inner.text === '' ? [] : this.#split(inner.text, isStart) };
      });
    });
  }
}

/** Special tokens before others, where two look alike. */
function byContent(tokens: readonly AddedToken[], written: (content: string) => string): Map<string, AddedToken> {
  const found = new Map<string, AddedToken>();
  for (const token of [...tokens.filter(({ special }) => special), ...tokens.filter(({ special }) => !special)]) {
    const content = written(token.content);
    if (content === '') {
      throw new InputError(`added_tokens: the normalizer leaves nothing of ${JSON.stringify(token.content)}`);
    }
    if (!found.has(content)) found.set(content, token);
  }
  return found;
}

/** Puts the name of the section before what is wrong in it. */
function within<T>(section: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${section}: ${error.message}`, { cause: error });
  }
}

/**
 * Where and what, in one line: `normalizer.type: "Rot13" is not known here`; the schema has words of its own for much
 * of it.
 */
function describeIssues({ issues }: z.core.$ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}
