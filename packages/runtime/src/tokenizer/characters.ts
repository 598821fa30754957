/**
 * The properties of code points as Hugging Face's tokenizers know them, which are built on several versions of Unicode
 * at once. JavaScript's own properties and normal forms are of the engine's version, and `\s` has a rule of its own
 * (U+FEFF): neither is used.
 */
import { generalCategories, lowercaseRuns, lowercaseStrings, ranges } from './unicodeTables.generated.js';

export type CharacterSet = keyof typeof ranges;

/** Start and end of each run of members. */
type Ranges = readonly (readonly [start: number, end: number])[];

const number = (digits: string): number => parseInt(digits, 36);

function decodeRanges(text: string): Ranges {
  let position = 0;
  const numbers = text.split(',').map(number);
  return Array.from({ length: numbers.length / 2 }, (_, index) => {
    const start = position + numbers[2 * index]!;
    position = start + numbers[2 * index + 1]!;
    return [start, position] as const;
  });
}

function categoryRanges(name: string): Ranges {
  let position = 0;
  return generalCategories.split(',').flatMap((run) => {
    const start = position;
    position += number(run.slice(2));
    return run.startsWith(name) ? [[start, position] as const] : [];
  });
}

const categoryNames = new Set(generalCategories.split(',').flatMap((run) => [run.slice(0, 1), run.slice(0, 2)]));

const known = new Map<string, Ranges>();

function remembered(name: string, make: (name: string) => Ranges): Ranges {
  const found = known.get(name) ?? make(name);
  known.set(name, found);
  return found;
}

/** Parts of regular expressions for text whose code points are all below `end`. */
export class CharacterClasses {
  readonly #end: number;

  constructor(end: number) {
    this.#end = end;
  }

  /** The text between the brackets of a class. */
  of(...names: readonly CharacterSet[]): string {
    return names.map((name) => this.#members(remembered(name, () => decodeRanges(ranges[name])))).join('');
  }

  /**
   * The same of a general category as regular expressions have it, such as `L` or `Nd`; null where there is none of
   * this name.
   */
  category(name: string): string | null {
    return categoryNames.has(name) ? this.#members(remembered(`\\p{${name}}`, () => categoryRanges(name))) : null;
  }

  /** One code point, within a class or without. */
  codePoint(value: number): string {
    if (this.#isWhole) return `\\u{${value.toString(16)}}`;
    return Array.from({ length: value > 0xffff ? 2 : 1 }, (_, index) => {
      const unit = String.fromCodePoint(value).charCodeAt(index);
      return `\\u${unit.toString(16).padStart(4, '0')}`;
    }).join('');
  }

  /** The code points from `start` to before `end`, within a class; empty where the text has none of them. */
  range(start: number, end: number): string {
    if (start >= this.#end) return '';
    return `${this.codePoint(start)}-${this.codePoint(Math.min(end, this.#end) - 1)}`;
  }

  /** Finds every match. */
  regex(source: string): RegExp {
    return new RegExp(source, this.#isWhole ? 'gu' : 'g');
  }

  get #isWhole(): boolean {
    return this.#end > 0x10000;
  }

  #members(all: Ranges): string {
    return all.map(([start, end]) => this.range(start, end)).join('');
  }
}

const extents = [0x80, 0x10000, 0x110000].map((end) => new CharacterClasses(end));

/**
 * Makes something for the text at hand: of ASCII alone, of the basic plane, or any. Classes are the quicker the fewer
 * members they have, and nearly all text is of the first two kinds.
 */
export function byExtent<T>(make: (classes: CharacterClasses) => T): (text: string) => T {
  const made: T[] = [];
  return (text) => {
    const extent = isAscii(text) ? 0 : hasSurrogates.test(text) ? 2 : 1;
    return (made[extent] ??= make(extents[extent]!));
  };
}

const onlyAscii = /^[\0-\x7f]*$/;
const hasSurrogates = /[\ud800-\udfff]/;

export function isAscii(text: string): boolean {
  return onlyAscii.test(text);
}

const lowercaseOf = new Map(lowercaseStrings.map(([from, to]) => [String.fromCodePoint(from), to]));
for (const run of lowercaseRuns.split(',')) {
  const [first = 0, count = 0, step = 0, difference = 0] = run.split(' ').map(number);
  for (let index = 0; index < count; index++) {
    const from = first + index * step;
    lowercaseOf.set(String.fromCodePoint(from), String.fromCodePoint(from + difference));
  }
}
const uppercase = byExtent((classes) => {
  const letters = Array.from(lowercaseOf.keys(), (letter) => classes.codePoint(letter.codePointAt(0)!));
  return classes.regex(`[${letters.join('')}]`);
});

/** Each letter by itself: a Σ at the end of a word becomes σ, not ς. */
export function lowercase(text: string): string {
  return isAscii(text) ? text.toLowerCase() : text.replace(uppercase(text), (letter) => lowercaseOf.get(letter)!);
}

export type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

const normalized = byExtent((classes) => classes.regex(`[${classes.of('normalized')}]+`));

/**
 * The normal form of the version of Unicode that is known. Later versions give the same for what that one knows, as
 * Unicode promises; what it does not know is no part of anything: it stays, and what is on either side does not meet.
 */
export function normalForm(text: string, form: NormalForm): string {
  return isAscii(text) ? text : text.replace(normalized(text), (run) => run.normalize(form));
}
