/** WordPiece (Wu et al. 2016), as BERT has it: the longest token of the vocabulary first, again and again. */
import { notInVocabulary, type ModelOptions, type TokenModel } from './tokenModel.js';

export function wordPiece(options: ModelOptions<'WordPiece'>): TokenModel {
  const { unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word: mostLetters, vocab } = options;
  const ids = new Map(Object.entries(vocab));
  const longest = Array.from(ids.keys()).reduce((most, { length }) => Math.max(most, length), 0);

  /** null where a part is not in the vocabulary */
  const parts = (word: string): number[] | null => {
    const found: number[] = [];
    for (let start = 0; start < word.length;) {
      const before = start === 0 ? '' : prefix;
      let end = Math.min(word.length, start + longest);
      let id: number | undefined;
      for (; end > start; end--) if ((id = ids.get(before + word.slice(start, end))) !== undefined) break;
      if (id === undefined) return null;
      found.push(id);
      start = end;
    }
    return found;
  };

  return {
    vocabulary: ids,
    encode: (word) => {
      const found = Array.from(word).length > mostLetters ? null : parts(word);
      if (found) return found;
      const unknown = ids.get(unk_token);
      if (unknown === undefined) throw notInVocabulary(word, unk_token);
      return [unknown];
    },
  };
}
