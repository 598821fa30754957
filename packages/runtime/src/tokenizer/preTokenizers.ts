/** The `pre_tokenizer` of a `tokenizer.json`: how normalized text is split before the model sees it. */
import * as z from 'zod/mini';
import { InputError } from '../errors.js';
import { bytesAsCharacters } from './byteAlphabet.js';
import { byExtent, type CharacterClasses } from './characters.js';
import { matcher, patternSchema, type Match } from './pattern.js';
import { splitBehaviors, splitText, type SplitBehavior } from './splitText.js';
import { unknownType } from './unknownType.js';

/** @param isStart whether the text is where the sentence begins */
export type PreTokenizer = (text: string, isStart: boolean) => readonly string[];

const plain = <Type extends string>(type: Type) => z.strictObject({ type: z.literal(type) });
const oneCharacter = z.string().check(z.refine((text) => Array.from(text).length === 1, 'expected one character'));

const single = z.discriminatedUnion('type', [
  plain('BertPreTokenizer'),
  plain('Whitespace'),
  plain('WhitespaceSplit'),
  z.strictObject({
    type: z.literal('ByteLevel'),
    add_prefix_space: z.boolean(),
    /** Concerns positions in the text, which are not told here. */
    trim_offsets: z.optional(z.boolean()),
    use_regex: z._default(z.boolean(), true),
  }),
  z.strictObject({
    type: z.literal('Metaspace'),
    replacement: oneCharacter,
    prepend_scheme: z.optional(z.enum(['always', 'never', 'first'])),
    split: z._default(z.boolean(), true),
    /** The key of older files in place of `prepend_scheme`. */
    add_prefix_space: z.optional(z.boolean()),
    str_rep: z.optional(z.string()),
  }),
  z.strictObject({ type: z.literal('Punctuation'), behavior: z._default(z.enum(splitBehaviors), 'Isolated') }),
  z.strictObject({ type: z.literal('Digits'), individual_digits: z.boolean() }),
  z.strictObject({ type: z.literal('CharDelimiterSplit'), delimiter: oneCharacter }),
  z.strictObject({ type: z.literal('FixedLength'), length: z.int().check(z.minimum(1)) }),
  z.strictObject({
    type: z.literal('Split'),
    pattern: patternSchema,
    behavior: z.enum(splitBehaviors),
    invert: z.boolean(),
  }),
]);

type PreTokenizerJson =
  z.infer<typeof single> | { readonly type: 'Sequence'; readonly pretokenizers: readonly PreTokenizerJson[] };

export const preTokenizerSchema: z.ZodMiniType<PreTokenizerJson> = z.lazy(() =>
  z.discriminatedUnion(
    'type',
    [single, z.strictObject({ type: z.literal('Sequence'), pretokenizers: z.array(preTokenizerSchema) })],
    { error: unknownType },
  ),
);

/** The parts of a text that match. */
function partsOf(source: (classes: CharacterClasses) => string): (text: string) => readonly string[] {
  const pattern = byExtent((classes) => classes.regex(source(classes)));
  return (text) => text.match(pattern(text)) ?? [];
}

function matchesOf(source: (classes: CharacterClasses) => string): (text: string) => Iterable<Match> {
  const pattern = byExtent((classes) => classes.regex(source(classes)));
  return function* (text) {
    for (const match of text.matchAll(pattern(text))) yield { start: match.index, end: match.index + match[0].length };
  };
}

/** GPT-2's: contractions, words, numbers and the rest, each with the space before it; other white space by itself. */
const byteLevelWords = partsOf((classes) => {
  const [letter, number, space] = [classes.category('L')!, classes.category('N')!, classes.of('space')];
  const rest = `[^${space}${letter}${number}]`;
  return `'s|'t|'re|'ve|'m|'ll|'d| ?[${letter}]+| ?[${number}]+| ?${rest}+|[${space}]+(?![^${space}])|[${space}]+`;
});

/**
 * @param keepsStart whether text gets here as it is written, so that where a sentence begins is known
 * @throws InputError where a pattern cannot be read, or options contradict each other
 */
export function createPreTokenizer(json: PreTokenizerJson, keepsStart: boolean): PreTokenizer {
  switch (json.type) {
    case 'Sequence': {
      const steps = json.pretokenizers.map((step) => createPreTokenizer(step, false));
      return (text) =>
        steps.reduce<readonly string[]>((parts, step) => parts.flatMap((part) => step(part, false)), [text]);
    }
    case 'BertPreTokenizer':
      return partsOf((classes) => `[${classes.of('punctuation')}]|[^${classes.of('punctuation', 'space')}]+`);
    case 'WhitespaceSplit':
      return partsOf((classes) => `[^${classes.of('space')}]+`);
    case 'Whitespace':
      return partsOf((classes) => `[${classes.of('word')}]+|[^${classes.of('word', 'space')}]+`);
    case 'ByteLevel': {
      const { add_prefix_space: addsSpace, use_regex: splits } = json;
      return (text) => {
        const spaced = addsSpace && !text.startsWith(' ') ? ` ${text}` : text;
        return (splits ? byteLevelWords(spaced) : [spaced]).map(bytesAsCharacters);
      };
    }
    case 'Metaspace':
      if (json.prepend_scheme === 'first' && !keepsStart) {
        throw new InputError(
          'prepend_scheme first is supported only for a single Metaspace without a normalizer: ' +
            'otherwise the start of a sentence is lost',
        );
      }
      return metaspace(json);
    case 'Punctuation':
      return splitter(
        matchesOf((classes) => `[${classes.of('punctuation')}]`),
        json.behavior,
      );
    case 'Digits':
      return splitter(
        matchesOf((classes) => `[${classes.of('numeric')}]`),
        json.individual_digits ? 'Isolated' : 'Contiguous',
      );
    case 'CharDelimiterSplit':
      return splitter(matcher({ String: json.delimiter }), 'Removed');
    case 'FixedLength':
      return (text) => {
        const letters = Array.from(text);
        return Array.from({ length: Math.ceil(letters.length / json.length) }, (_, index) =>
          letters.slice(index * json.length, (index + 1) * json.length).join(''),
        );
      };
    case 'Split':
      return splitter(matcher(json.pattern), json.behavior, json.invert);
  }
}

function splitter(
  matches: (text: string) => Iterable<Match>,
  behavior: SplitBehavior,
  isInverted = false,
): PreTokenizer {
  return (text) => splitText(text, matches(text), behavior, isInverted);
}

type MetaspaceOptions = Extract<PreTokenizerJson, { type: 'Metaspace' }>;

function metaspace({ replacement, split, add_prefix_space, prepend_scheme }: MetaspaceOptions): PreTokenizer {
  if (add_prefix_space === false && prepend_scheme !== undefined && prepend_scheme !== 'never')
    throw new InputError(`add_prefix_space is false, but prepend_scheme ${prepend_scheme}`);
  const scheme = prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always');
  const marks = matcher({ String: replacement });
  return (text, isStart) => {
    const replaced = text.replaceAll(' ', () => replacement);
    const isPrefixed = scheme === 'always' || (scheme === 'first' && isStart);
    const marked = isPrefixed && !replaced.startsWith(replacement) ? replacement + replaced : replaced;
    return split ? splitText(marked, marks(marked), 'MergedWithNext') : [marked];
  };
}
