/**
 * Patterns of `Split` and `Replace`: a string, or a regular expression of Oniguruma's, as far as it means the same
 * here.
 */
import * as z from 'zod/mini';
import { InputError } from '../errors.js';
import { byExtent, type CharacterClasses } from './characters.js';

export const patternSchema = z.union([z.strictObject({ String: z.string() }), z.strictObject({ Regex: z.string() })]);
type Pattern = z.infer<typeof patternSchema>;

export interface Match {
  readonly start: number;
  readonly end: number;
}

/** Finds all matches of a text, from left to right. */
export type Matcher = (text: string) => Iterable<Match>;

/** @throws InputError where a regular expression uses what is not known here */
export function matcher(pattern: Pattern): Matcher {
  if ('Regex' in pattern) return regexMatcher(pattern.Regex);
  const { String: wanted } = pattern;
  return function* (text) {
    if (wanted === '') return;
    for (let start = text.indexOf(wanted); start !== -1; start = text.indexOf(wanted, start + wanted.length))
      yield { start, end: start + wanted.length };
  };
}

function regexMatcher(source: string): Matcher {
  const regex = byExtent((classes) => compiled(source, classes));
  if (''.search(regex('\u{1f600}')) !== -1)
    throw unknown(source, 'it matches nothing at all, so where it would do so is not known');
  return function* (text) {
    for (const match of text.matchAll(regex(text))) yield { start: match.index, end: match.index + match[0].length };
  };
}

function compiled(source: string, classes: CharacterClasses): RegExp {
  const translated = translate(source, classes);
  try {
    return classes.regex(translated);
  } catch (cause) {
    throw new InputError(`the regular expression ${JSON.stringify(source)} cannot be read`, { cause });
  }
}

function unknown(source: string, reason: string): InputError {
  return new InputError(`the regular expression ${JSON.stringify(source)} is not supported: ${reason}`);
}

/** Groups that mean the same in both. */
const groups = ['(?:', '(?=', '(?!', '(?<=', '(?<!'];
const controls: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, v: 11, f: 12, r: 13, e: 27 };
const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})/;

/**
 * A regular expression of Oniguruma's as one of JavaScript's: classes as Oniguruma's version of Unicode has them, `.`,
 * `^` and `$` by lines.
 *
 * @throws InputError where it uses more than that
 */
function translate(source: string, classes: CharacterClasses): string {
  let at = 0;
  let translated = '';
  /** Whether a quantifier can follow. */
  let hasAtom = false;
  const rest = (): string => source.slice(at);
  while (at < source.length) {
    const letter = String.fromCodePoint(source.codePointAt(at)!);
    const repeated = quantifier.exec(rest())?.[0];
    if (repeated !== undefined) {
      if (!hasAtom) throw unknown(source, `nothing is there for ${repeated} at character ${at + 1} to repeat`);
      at += repeated.length;
      translated += repeated.replace('{,', '{0,');
      if (rest().startsWith('+') || (repeated.startsWith('{') && rest().startsWith('?')))
        throw unknown(
          source,
          `${repeated}${source[at]!} at character ${at - repeated.length + 1} means something else here`,
        );
      if (rest().startsWith('?')) {
        translated += '?';
        at++;
      }
      hasAtom = false;
      continue;
    }
    hasAtom = true;
    if (letter === '\\') {
      const escape = parseEscape(source, at, classes);
      at = escape.end;
      translated +=
        escape.kind === 'set' ? `[${escape.isNegated ? '^' : ''}${escape.members}]` : classes.codePoint(escape.value);
    } else if (letter === '[') {
      const set = parseSet(source, at, classes);
      at = set.end;
      translated += set.text;
    } else if (letter === '(') {
      const opening = groups.find((each) => rest().startsWith(each)) ?? '(';
      if (opening === '(' && rest().startsWith('(?'))
        throw unknown(source, `the group ${source.slice(at, at + 4)}… at character ${at + 1} is not known`);
      at += opening.length;
      translated += opening === '(' ? '(?:' : opening;
      hasAtom = false;
    } else {
      at += letter.length;
      hasAtom = letter !== '|' && letter !== '^' && letter !== '$';
      translated +=
        { '.': '[^\\n]', '^': '(?<![^\\n])', $: '(?![^\\n])', '|': '|', ')': ')' }[letter] ??
        classes.codePoint(letter.codePointAt(0)!);
    }
  }
  return translated;
}

type Escape =
  | { readonly kind: 'set'; readonly members: string; readonly isNegated: boolean; readonly end: number }
  | { readonly kind: 'character'; readonly value: number; readonly end: number };

/** The element that begins with the backslash at `at`. Oniguruma's `\w` is not the same within a class. */
function parseEscape(
  source: string,
  at: number,
  classes: CharacterClasses,
  word: 'regexWord' | 'regexWordInClass' = 'regexWord',
): Escape {
  const rest = source.slice(at);
  const category = /^\\([pP])\{(\^?)(\w+)\}/.exec(rest);
  if (category) {
    const [whole, letter, caret, name] = category as unknown as [string, string, string, string];
    const members = classes.category(name);
    if (members === null) throw unknown(source, `the property ${whole} is not known`);
    return { kind: 'set', members, isNegated: (letter === 'P') !== (caret === '^'), end: at + whole.length };
  }
  const code = /^\\(?:x\{([\da-fA-F]{1,6})\}|x([\da-fA-F]{2})|u([\da-fA-F]{4}))/.exec(rest);
  if (code) {
    const value = parseInt(code[1] ?? code[2] ?? code[3]!, 16);
    if (value > 0x10ffff || (code[2] !== undefined && value > 0x7f)) throw unknown(source, `${code[0]} is not known`);
    return { kind: 'character', value, end: at + code[0].length };
  }
  const letter = rest.length > 1 ? String.fromCodePoint(rest.codePointAt(1)!) : '';
  const end = at + 1 + letter.length;
  const sets = { s: classes.of('space'), d: classes.category('Nd')!, w: classes.of(word) };
  const members = sets[letter.toLowerCase() as keyof typeof sets] as string | undefined;
  if (members !== undefined) return { kind: 'set', members, isNegated: letter !== letter.toLowerCase(), end };
  if (letter === '' || (!(letter in controls) && /[\da-zA-Z]/.test(letter)))
    throw unknown(source, `\\${letter} is not known`);
  return { kind: 'character', value: controls[letter] ?? letter.codePointAt(0)!, end };
}

/** The class that begins with the bracket at `at`, as alternatives where it holds the complement of a set. */
function parseSet(
  source: string,
  at: number,
  classes: CharacterClasses,
): { readonly text: string; readonly end: number } {
  let position = at + 1;
  const isNegated = source[position] === '^';
  if (isNegated) position++;
  const first = position;
  let members = '';
  const complements: string[] = [];
  const next = (): Escape => {
    const letter = source[position];
    if (letter === undefined) throw unknown(source, `the class at character ${at + 1} has no end`);
    if (letter === '[' || letter === ']' || source.startsWith('&&', position))
      throw unknown(source, `${letter} at character ${position + 1}, within a class, is not known`);
    const value = source.codePointAt(position)!;
    const found: Escape =
      letter === '\\'
        ? parseEscape(source, position, classes, 'regexWordInClass')
        : { kind: 'character', value, end: position + (value > 0xffff ? 2 : 1) };
    position = found.end;
    return found;
  };
  while (source[position] !== ']' || position === first) {
    const member = next();
    if (member.kind === 'set') {
      if (member.isNegated) complements.push(`[^${member.members}]`);
      else members += member.members;
    } else if (source[position] === '-' && source[position + 1] !== ']') {
      position++;
      const last = next();
      if (last.kind === 'set' || last.value < member.value)
        throw unknown(source, `the range before character ${position + 1} is not known`);
      members += classes.range(member.value, last.value + 1);
    } else members += classes.range(member.value, member.value + 1);
  }
  const end = position + 1;
  if (complements.length === 0) return { text: `[${isNegated ? '^' : ''}${members}]`, end };
  const any = `(?:${[`[${members}]`, ...complements].join('|')})`;
  return { text: isNegated ? `(?:(?!${any})[^])` : any, end };
}
