/**
 * The settings that `tokenizer_config.json` repeats: Hugging Face's transformers takes them from there, its tokenizers
 * from `tokenizer.json`, so that a folder where the two differ has no meaning that is known.
 */
import { InputError } from '../errors.js';

type Json = Readonly<Record<string, unknown>>;

/** Keys of the configuration, and of the step of this type in `tokenizer.json`. */
const repeated = [
  { section: 'normalizer', type: 'BertNormalizer', key: 'do_lower_case', same: 'lowercase' },
  { section: 'normalizer', type: 'BertNormalizer', key: 'strip_accents', same: 'strip_accents' },
  { section: 'normalizer', type: 'BertNormalizer', key: 'tokenize_chinese_chars', same: 'handle_chinese_chars' },
  { section: 'pre_tokenizer', type: 'ByteLevel', key: 'add_prefix_space', same: 'add_prefix_space' },
] as const;

/** @throws InputError naming both keys and values */
export function checkConfig(tokenizer: Json, config: Json, file: string): void {
  for (const { section, type, key, same } of repeated) {
    const step = tokenizer[section] as Json | null | undefined;
    const [here, there] = [config[key] ?? null, step?.[same] ?? null];
    if (step?.type !== type || here === null || here === there) continue;
    throw new InputError(
      `${file}: ${section}.${same} is ${JSON.stringify(there)}, but tokenizer_config.json has ${key}: ` +
        `${JSON.stringify(here)}; make the two agree`,
    );
  }
}
