/** The `added_tokens` of a `tokenizer.json`: tokens that are found in the text before it is split. */
import * as z from 'zod/mini';
import { InputError } from '../errors.js';
import { byExtent } from './characters.js';

export const addedTokenSchema = z.strictObject({
  id: z.int().check(z.minimum(0)),
  content: z.string().check(z.minLength(1)),
  /** Whether no letter may stand beside it. */
  single_word: z.boolean(),
  /** Whether it takes the white space before it. */
  lstrip: z.boolean(),
  /** Whether it takes the white space behind it. */
  rstrip: z.boolean(),
  /** Whether it is looked for in normalized text. */
  normalized: z.boolean(),
  special: z.boolean(),
});
export type AddedToken = z.infer<typeof addedTokenSchema>;

/** A part of a text: an added token, or what lies between. */
export type Part = { readonly kind: 'token'; readonly id: number } | { readonly kind: 'text'; readonly text: string };

/**
 * Takes the tokens out of a text, where several fit the longest of those that begin first.
 *
 * @param tokens by what they look like in the text
 */
export function tokenFinder(tokens: ReadonlyMap<string, AddedToken>): (text: string) => Part[] {
  if (tokens.size === 0) return (text) => [{ kind: 'text', text }];
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const any = new RegExp(
    longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'),
    'gu',
  );
  return (text) => {
    const parts: Part[] = [];
    let end = 0;
    for (const match of text.matchAll(any)) {
      const token = tokens.get(match[0])!;
      let start = match.index;
      let stop = start + match[0].length;
      if (token.single_word && (endsWithWord(text.slice(0, start)) || startsWithWord(text.slice(stop)))) continue;
      if (token.lstrip) start = Math.max(end, withoutSpaceAtEnd(text.slice(0, start)).length);
      if (token.rstrip) stop = text.length - withoutSpaceAtStart(text.slice(stop)).length;
      if (start > end) parts.push({ kind: 'text', text: text.slice(end, start) });
      parts.push({ kind: 'token', id: token.id });
      end = stop;
    }
    if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
    return parts;
  };
}

const spaceAtEnd = byExtent((classes) => classes.regex(`[${classes.of('space')}]+$`));
const spaceAtStart = byExtent((classes) => classes.regex(`^[${classes.of('space')}]+`));
const word = byExtent((classes) => classes.regex(`[${classes.of('word')}]`));

function withoutSpaceAtEnd(text: string): string {
  return text.replace(spaceAtEnd(text), '');
}

function withoutSpaceAtStart(text: string): string {
  return text.replace(spaceAtStart(text), '');
}

function hasWord(letters: string): boolean {
  return letters.search(word(letters)) !== -1;
}

function endsWithWord(text: string): boolean {
  const last = text.slice(-2);
  return hasWord(last.length === 2 && last.codePointAt(0)! > 0xffff ? last : last.slice(-1));
}

function startsWithWord(text: string): boolean {
  return text !== '' && hasWord(String.fromCodePoint(text.codePointAt(0)!));
}

/**
 * Gives tokens that the model does not have the ids behind its own, as Hugging Face's tokenizers does.
 *
 * @throws InputError where the file has another id for one
 */
export function checkIds(tokens: readonly AddedToken[], vocabulary: ReadonlyMap<string, number>): void {
  const added = new Map<string, number>();
  let next = vocabulary.size;
  for (const { content, id } of tokens) {
    const known = vocabulary.get(content) ?? added.get(content);
    if (id !== (known ?? next)) {
      throw new InputError(
        `added_tokens has id ${id} for ${JSON.stringify(content)}, expected ${known ?? next}, ` +
          (known === undefined ? 'the next that is free' : 'that of the vocabulary'),
      );
    }
    added.set(content, id);
    next = Math.max(next, id + 1);
  }
}
