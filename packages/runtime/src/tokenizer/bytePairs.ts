/**
 * Byte pair encoding (Sennrich et al. 2016): of all neighbours that can be merged, those that were learnt first, again
 * and again.
 */
import { InputError } from '../errors.js';
import { notInVocabulary, type ModelOptions, type TokenModel } from './tokenModel.js';
import { byteIds } from './unigram.js';

/** The token that two tokens become. */
interface Merge {
  /** From 0; lower ones come first. */
  readonly rank: number;
  readonly id: number;
}

export function bytePairs(options: ModelOptions<'BPE'>): TokenModel {
  const { vocab, fuse_unk, byte_fallback, ignore_merges } = options;
  const prefix = options.continuing_subword_prefix ?? '';
  const suffix = options.end_of_word_suffix ?? '';
  const unknownToken = options.unk_token ?? null;
  const ids = new Map(Object.entries(vocab));
  const merges = mergesOf(options, ids, prefix);

  /** The ids of single letters; those that are not in the vocabulary as bytes, or unknown. */
  const letters = (word: string): number[] => {
    const found: number[] = [];
    let unknown: number | null = null;
    const flush = (): void => {
      if (unknown !== null) found.push(unknown);
      unknown = null;
    };
    const all = Array.from(word);
    all.forEach((letter, index) => {
      const token = `${index > 0 ? prefix : ''}${letter}${index + 1 === all.length ? suffix : ''}`;
      const id = ids.get(token);
      if (id !== undefined) {
        flush();
        found.push(id);
        return;
      }
      const bytes = byte_fallback ? byteIds(token, ids) : null;
      if (bytes) {
        // Unknown letters from before come after them, as in Hugging Face's tokenizers.
        found.push(...bytes);
        return;
      }
      const unknownId = unknownToken === null ? undefined : ids.get(unknownToken);
      if (unknownId === undefined) throw notInVocabulary(token, unknownToken);
      if (!fuse_unk) flush();
      unknown = unknownId;
    });
    flush();
    return found;
  };

  return {
    vocabulary: ids,
    encode: (word) => {
      const whole = ignore_merges ? ids.get(word) : undefined;
      return whole === undefined ? mergeAll(letters(word), merges) : [whole];
    },
  };
}

/** By the ids of both tokens, one after the other. */
type Merges = ReadonlyMap<number, ReadonlyMap<number, Merge>>;

function mergesOf({ merges }: ModelOptions<'BPE'>, ids: ReadonlyMap<string, number>, prefix: string): Merges {
  const found = new Map<number, Map<number, Merge>>();
  const idOf = (token: string, rank: number): number => {
    const id = ids.get(token);
    if (id === undefined)
      throw new InputError(`merges[${rank}] makes or takes ${JSON.stringify(token)}, which is not in the vocabulary`);
    return id;
  };
  merges.forEach((merge, rank) => {
    const [first, second, ...others] = typeof merge === 'string' ? merge.split(' ') : merge;
    if (first === undefined || second === undefined || others.length > 0)
      throw new InputError(`merges[${rank}] is ${JSON.stringify(merge)}, expected two tokens`);
    const [firstId, secondId] = [idOf(first, rank), idOf(second, rank)];
    const ofFirst = found.get(firstId) ?? new Map<number, Merge>();
    ofFirst.set(secondId, { rank, id: idOf(first + second.slice(prefix.length), rank) });
    found.set(firstId, ofFirst);
  });
  return found;
}

/** Two neighbours that can be merged. */
interface Candidate {
  readonly rank: number;
  readonly left: number;
}

/** By rank, from the left where that is equal. */
function mergeAll(word: readonly number[], merges: Merges): readonly number[] {
  const tokens: (number | null)[] = [...word];
  const next = Array.from(tokens, (_, index) => index + 1);
  const previous = Array.from(tokens, (_, index) => index - 1);
  const queue = new CandidateQueue();
  const offer = (left: number): void => {
    const right = left < 0 ? tokens.length : next[left]!;
    if (right >= tokens.length) return;
    const merge = merges.get(tokens[left]!)?.get(tokens[right]!);
    if (merge) queue.push({ rank: merge.rank, left });
  };
  for (let left = 0; left + 1 < tokens.length; left++) offer(left);
  for (let best = queue.pop(); best; best = queue.pop()) {
    const { left, rank } = best;
    // One of the two may have been merged with another since.
    const first = tokens[left] ?? null;
    const right = next[left]!;
    if (first === null || right >= tokens.length) continue;
    const merge = merges.get(first)?.get(tokens[right]!);
    if (merge?.rank !== rank) continue;
    tokens[left] = merge.id;
    tokens[right] = null;
    next[left] = next[right]!;
    if (next[left] < tokens.length) previous[next[left]] = left;
    offer(previous[left]!);
    offer(left);
  }
  return tokens.filter((token) => token !== null);
}

/** A binary heap: the lowest rank first, then what is furthest left. */
class CandidateQueue {
  readonly #heap: Candidate[] = [];

  push(candidate: Candidate): void {
    const heap = this.#heap;
    let place = heap.push(candidate) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(candidate, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = candidate;
  }

  pop(): Candidate | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= heap.length) break;
      const child = left + 1 < heap.length && isBefore(heap[left + 1]!, heap[left]!) ? left + 1 : left;
      if (!isBefore(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.rank === b.rank ? a.left < b.left : a.rank < b.rank;
}
