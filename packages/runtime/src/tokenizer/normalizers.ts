/** The `normalizer` of a `tokenizer.json`: what text becomes before it is split. */
import * as z from 'zod/mini';
import { byExtent, lowercase, normalForm, type CharacterClasses } from './characters.js';
import { bytesAsCharacters } from './byteAlphabet.js';
import { matcher, patternSchema } from './pattern.js';
import { precompiledNormalizer } from './precompiledCharsmap.js';
import { unknownType } from './unknownType.js';

export type Normalizer = (text: string) => string;

const plain = <Type extends string>(type: Type) => z.strictObject({ type: z.literal(type) });

const single = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('BertNormalizer'),
    clean_text: z.boolean(),
    handle_chinese_chars: z.boolean(),
    /** null: as `lowercase`. */
    strip_accents: z.nullish(z.boolean()),
    lowercase: z.boolean(),
  }),
  plain('NFC'),
  plain('NFD'),
  plain('NFKC'),
  plain('NFKD'),
  plain('Lowercase'),
  plain('StripAccents'),
  plain('Nmt'),
  plain('ByteLevel'),
  z.strictObject({ type: z.literal('Strip'), strip_left: z.boolean(), strip_right: z.boolean() }),
  z.strictObject({ type: z.literal('Prepend'), prepend: z.string() }),
  z.strictObject({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
  z.strictObject({ type: z.literal('Precompiled'), precompiled_charsmap: z.base64() }),
]);

type NormalizerJson =
  z.infer<typeof single> | { readonly type: 'Sequence'; readonly normalizers: readonly NormalizerJson[] };

export const normalizerSchema: z.ZodMiniType<NormalizerJson> = z.lazy(() =>
  z.discriminatedUnion(
    'type',
    [single, z.strictObject({ type: z.literal('Sequence'), normalizers: z.array(normalizerSchema) })],
    { error: unknownType },
  ),
);

/** @throws InputError where a pattern or a table cannot be read */
export function createNormalizer(json: NormalizerJson): Normalizer {
  switch (json.type) {
    case 'Sequence': {
      const steps = json.normalizers.map(createNormalizer);
      return (text) => steps.reduce((changed, step) => step(changed), text);
    }
    case 'BertNormalizer':
      return bertNormalizer(json);
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const { type } = json;
      return (text) => normalForm(text, type);
    }
    case 'Lowercase':
      return lowercase;
    case 'StripAccents':
      return remove((classes) => `[${classes.of('mark')}]+`);
    case 'Nmt':
      return (text) => text.replace(nmtRemoved, '').replace(nmtSpaces, ' ');
    case 'ByteLevel':
      return bytesAsCharacters;
    case 'Strip':
      return remove((classes) => {
        const spaces = `[${classes.of('space')}]+`;
        const ends = [...(json.strip_left ? [`^${spaces}`] : []), ...(json.strip_right ? [`${spaces}$`] : [])];
        return ends.length === 0 ? '[]' : ends.join('|');
      });
    case 'Prepend':
      return (text) => (text === '' ? '' : json.prepend + text);
    case 'Replace': {
      const matches = matcher(json.pattern);
      return (text) => {
        let [changed, end] = ['', 0];
        for (const match of matches(text)) {
          changed += text.slice(end, match.start) + json.content;
          end = match.end;
        }
        return changed + text.slice(end);
      };
    }
    case 'Precompiled':
      return precompiledNormalizer(json.precompiled_charsmap);
  }
}

function remove(source: (classes: CharacterClasses) => string): Normalizer {
  const pattern = byExtent((classes) => classes.regex(source(classes)));
  return (text) => text.replace(pattern(text), '');
}

/** Sentencepiece's, for neural machine translation. */
const nmtRemoved = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g;
const nmtSpaces = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g;

/** The characters that BERT's code calls Chinese; one block begins late there. */
const chinese = new RegExp(
  '[\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff' +
    '\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\u{2f800}-\\u{2fa1f}]',
  'gu',
);

type BertOptions = Extract<NormalizerJson, { type: 'BertNormalizer' }>;

function bertNormalizer(options: BertOptions): Normalizer {
  const stripsAccents = options.strip_accents ?? options.lowercase;
  const steps: Normalizer[] = [];
  if (options.clean_text) {
    const space = byExtent((classes) => classes.regex(`[${classes.of('space')}]`));
    steps.push(
      remove((classes) => `[${classes.of('cleaned')}]+`),
      (text) => text.replace(space(text), ' '),
    );
  }
  if (options.handle_chinese_chars) steps.push((text) => text.replace(chinese, ' $& '));
  if (stripsAccents) {
    steps.push(
      (text) => normalForm(text, 'NFD'),
      remove((classes) => `[${classes.of('nonspacingMark')}]+`),
    );
  }
  if (options.lowercase) steps.push(lowercase);
  return (text) => steps.reduce((changed, step) => step(changed), text);
}
