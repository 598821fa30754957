/** How text is split around matches of a pattern, by the names that `tokenizer.json` uses. */
import type { Match } from './pattern.js';

export const splitBehaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
export type SplitBehavior = (typeof splitBehaviors)[number];

interface Piece extends Match {
  readonly isMatch: boolean;
}

/** All of the text, in order: matches and what lies between. */
function* piecesOf(length: number, matches: Iterable<Match>): Iterable<Piece> {
  let end = 0;
  for (const match of matches) {
    if (match.start > end) yield { start: end, end: match.start, isMatch: false };
    yield { ...match, isMatch: true };
    end = match.end;
  }
  if (end < length) yield { start: end, end: length, isMatch: false };
}

/**
 * The parts of `text`, empty ones left out.
 *
 * @param isInverted whether matches and what lies between change places
 */
export function splitText(
  text: string,
  matches: Iterable<Match>,
  behavior: SplitBehavior,
  isInverted = false,
): string[] {
  const pieces = Array.from(piecesOf(text.length, matches), (piece) => ({
    ...piece,
    isMatch: piece.isMatch !== isInverted,
  }));
  return merged(pieces, behavior)
    .map(({ start, end }) => text.slice(start, end))
    .filter((part) => part !== '');
}

function merged(pieces: readonly Piece[], behavior: SplitBehavior): readonly Match[] {
  switch (behavior) {
    case 'Removed':
      return pieces.filter(({ isMatch }) => !isMatch);
    case 'Isolated':
      return pieces;
    case 'Contiguous':
      return joined(pieces, (previous, { isMatch }) => isMatch === previous);
    case 'MergedWithPrevious':
      return joined(pieces, (previous, { isMatch }) => isMatch && !previous);
    case 'MergedWithNext':
      return joined([...pieces].reverse(), (next, { isMatch }) => isMatch && !next).reverse();
  }
}

/** Each piece joins the one before it where `joins` says so of whether that was a match. */
function joined(pieces: readonly Piece[], joins: (wasMatch: boolean, piece: Piece) => boolean): Match[] {
  const parts: { start: number; end: number }[] = [];
  let wasMatch = false;
  for (const piece of pieces) {
    const last = parts.at(-1);
    if (last && joins(wasMatch, piece)) {
      last.start = Math.min(last.start, piece.start);
      last.end = Math.max(last.end, piece.end);
    } else parts.push({ start: piece.start, end: piece.end });
    wasMatch = piece.isMatch;
  }
  return parts;
}
