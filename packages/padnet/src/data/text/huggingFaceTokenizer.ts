import * as library from '@huggingface/tokenizers';

/** What is used of Hugging Face's tokenizer. */
export interface HuggingFaceTokenizer {
  /** `ids` holds undefined where a token is not in the vocabulary and there is none for unknown ones. */
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: (number | undefined)[]; readonly tokens: string[] };
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

// The library's declarations import one another without file extensions, which Node's resolution does not find.
const { Tokenizer } = library as unknown as {
  readonly Tokenizer: new (json: object, config: object) => HuggingFaceTokenizer;
};

/** @throws Error if the library does not know a part of it */
export function huggingFaceTokenizer(json: object, config: object): HuggingFaceTokenizer {
  return new Tokenizer(json, config);
}
