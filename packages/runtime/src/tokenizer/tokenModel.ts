/** The `model` of a `tokenizer.json`, as written, and what becomes of it. */
import * as z from 'zod/mini';
import { InputError } from '../errors.js';
import { unknownType } from './unknownType.js';

export interface TokenModel {
  /** By token. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /**
   * The ids of a piece's tokens.
   *
   * @throws InputError where a part of it is not in the vocabulary, and there is no token for unknown ones
   */
  encode(piece: string): readonly number[];
}

const id = z.int().check(z.minimum(0));
/** By token; checked as a whole, since there are hundreds of thousands, and names such as `__proto__` among them. */
const vocabulary = z.custom<Readonly<Record<string, number>>>(
  (value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => Number.isSafeInteger(each) && each >= 0),
  'expected the id of each token',
);

export const modelSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('WordPiece'),
      unk_token: z.string(),
      continuing_subword_prefix: z._default(z.string(), '##'),
      max_input_chars_per_word: z._default(z.int().check(z.minimum(1)), 100),
      vocab: vocabulary,
    }),
    z.strictObject({ type: z.literal('WordLevel'), unk_token: z.string(), vocab: vocabulary }),
    z.strictObject({
      type: z.literal('BPE'),
      dropout: z.optional(z.union([z.null(), z.literal(0)], 'dropout draws other tokens each time')),
      unk_token: z.nullish(z.string()),
      continuing_subword_prefix: z.nullish(z.string()),
      end_of_word_suffix: z.nullish(z.string()),
      fuse_unk: z._default(z.boolean(), false),
      byte_fallback: z._default(z.boolean(), false),
      ignore_merges: z._default(z.boolean(), false),
      vocab: vocabulary,
      merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    }),
    z.strictObject({
      type: z.literal('Unigram'),
      unk_id: z.nullish(id),
      vocab: z.array(z.tuple([z.string(), z.number()])).check(z.minLength(1)),
      byte_fallback: z._default(z.boolean(), false),
    }),
  ],
  { error: unknownType },
);
export type ModelJson = z.infer<typeof modelSchema>;

/** Older files do not say which model they have. */
export function withModelType(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || 'type' in json) return json;
  const type =
    'merges' in json
      ? 'BPE'
      : 'vocab' in json && Array.isArray(json.vocab)
        ? 'Unigram'
        : 'max_input_chars_per_word' in json
          ? 'WordPiece'
          : 'WordLevel';
  return { type, ...json };
}

export type ModelOptions<Type extends ModelJson['type']> = Extract<ModelJson, { type: Type }>;

/** @param unknown what the file calls the token for unknown ones; null where it names none */
export function notInVocabulary(piece: string, unknown: string | null): InputError {
  const which =
    unknown === null ? 'and there is no token for unknown ones' : `nor is ${unknown}, the token for unknown ones`;
  return new InputError(`${JSON.stringify(piece)} is not in the vocabulary, ${which}`);
}
