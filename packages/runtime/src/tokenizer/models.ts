/** The `model` of a `tokenizer.json`: from a piece of text to tokens of the vocabulary. */
import { bytePairs } from './bytePairs.js';
import { notInVocabulary, type ModelJson, type ModelOptions, type TokenModel } from './tokenModel.js';
import { unigram } from './unigram.js';
import { wordPiece } from './wordPiece.js';

/** @throws InputError where vocabulary and other parts contradict each other */
export function createModel(json: ModelJson): TokenModel {
  switch (json.type) {
    case 'WordPiece':
      return wordPiece(json);
    case 'WordLevel':
      return wordLevel(json);
    case 'BPE':
      return bytePairs(json);
    case 'Unigram':
      return unigram(json);
  }
}

function wordLevel({ vocab, unk_token }: ModelOptions<'WordLevel'>): TokenModel {
  const ids = new Map(Object.entries(vocab));
  return {
    vocabulary: ids,
    encode: (piece) => {
      const found = ids.get(piece) ?? ids.get(unk_token);
      if (found === undefined) throw notInVocabulary(piece, unk_token);
      return [found];
    },
  };
}
