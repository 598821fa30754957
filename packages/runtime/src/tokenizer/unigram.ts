/** A unigram language model (Kudo 2018), as sentencepiece has it: the tokens whose scores have the largest sum. */
import { InputError } from '../errors.js';
import { notInVocabulary, type ModelOptions, type TokenModel } from './tokenModel.js';

/** The cost of an unknown letter above that of the worst token. */
const UNKNOWN_PENALTY = 10;

/** The best way to an end of the text so far. */
interface Path {
  readonly score: number;
  /** Where its last token begins. */
  readonly start: number;
  readonly isUnknown: boolean;
}

export function unigram({ vocab, unk_id, byte_fallback }: ModelOptions<'Unigram'>): TokenModel {
  const ids = new Map(vocab.map(([token], id) => [token, id]));
  const unknownId = unk_id ?? null;
  if (unknownId !== null && unknownId >= vocab.length)
    throw new InputError(`unk_id is ${unknownId}, but the vocabulary has ${vocab.length} tokens`);
  const longest = vocab.reduce((most, [token]) => Math.max(most, token.length), 0);
  const unknownScore = vocab.reduce((least, [, score]) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;

  const bestPaths = (text: string): (Path | undefined)[] => {
    const paths: (Path | undefined)[] = new Array<Path | undefined>(text.length + 1);
    for (let start = 0; start < text.length;) {
      const letterEnd = start + String.fromCodePoint(text.codePointAt(start)!).length;
      const soFar = paths[start]?.score ?? 0;
      const offer = (end: number, score: number, isUnknown: boolean): void => {
        const known = paths[end];
        if (!known || score > known.score) paths[end] = { score, start, isUnknown };
      };
      let hasLetter = false;
      for (let end = letterEnd; end <= Math.min(text.length, start + longest); end++) {
        const id = ids.get(text.slice(start, end));
        if (id === undefined) continue;
        offer(end, vocab[id]![1] + soFar, id === unknownId);
        if (end === letterEnd) hasLetter = true;
      }
      if (!hasLetter) {
        if (unknownId === null) throw notInVocabulary(text.slice(start, letterEnd), null);
        offer(letterEnd, unknownScore + soFar, true);
      }
      start = letterEnd;
    }
    return paths;
  };

  /** Unknown letters that follow one another are one token. */
  const split = (text: string): string[] => {
    const paths = bestPaths(text);
    const parts: string[] = [];
    let unknownEnd: number | null = null;
    for (let end = text.length; end > 0;) {
      const { start, isUnknown } = paths[end]!;
      if (isUnknown) unknownEnd ??= end;
      else {
        if (unknownEnd !== null) parts.push(text.slice(end, unknownEnd));
        unknownEnd = null;
        parts.push(text.slice(start, end));
      }
      end = start;
    }
    if (unknownEnd !== null) parts.push(text.slice(0, unknownEnd));
    return parts.reverse();
  };

  const idsOf = (token: string): readonly number[] => {
    const id = ids.get(token);
    if (id !== undefined) return [id];
    const bytes = byte_fallback ? byteIds(token, ids) : null;
    if (bytes) return bytes;
    if (unknownId === null) throw notInVocabulary(token, null);
    return [unknownId];
  };

  return { vocabulary: ids, encode: (piece) => split(piece).flatMap(idsOf) };
}

/** The tokens `<0x00>` to `<0xFF>` of a text's bytes; null where one of them is not in the vocabulary. */
export function byteIds(text: string, ids: ReadonlyMap<string, number>): number[] | null {
  const found = Array.from(new TextEncoder().encode(text), (byte) =>
    ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  );
  return found.every((id) => id !== undefined) ? found : null;
}
