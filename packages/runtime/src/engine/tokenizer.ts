/** The tokenizer of an exported network: carried by the compact form, else in files beside it. */
import { InputError } from '../errors.js';
import { TextTokenizer } from '../tokenizer/textTokenizer.js';
import { tokenizerOfFiles } from '../tokenizer/tokenizerFiles.js';

/** Names of the files that tokenizers have. */
const names = ['tokenizer.json', 'tokenizer_config.json', 'added_tokens.json', 'vocab.txt', 'vocab.json', 'merges.txt'];

/**
 * @param carried JSON text: the contents of each file by its name
 * @param file what messages call that which carries it
 * @param beside the contents of a file beside it; null where there is none
 * @throws InputError where there is no tokenizer, or one that is not known here
 */
export async function tokenizerOf(
  carried: string | undefined,
  file: string,
  beside: (name: string) => Promise<string | null>,
): Promise<TextTokenizer> {
  const contents = new Map<string, unknown>();
  if (carried !== undefined)
    for (const [name, text] of Object.entries(object(carried, `${file}, its tokenizer`))) contents.set(name, text);
  else
    for (const name of names) {
      const text = await beside(name);
      if (text !== null) contents.set(name, text);
    }
  const path = (name: string): string => `${file}, ${name}`;
  const text = (name: string): string => {
    const found = contents.get(name);
    if (typeof found === 'string') return found;
    throw new InputError(`${path(name)}: expected text; export the network again`);
  };
  const tokenizer = tokenizerOfFiles({
    has: (name) => contents.has(name),
    text,
    json: (name) => object(text(name), path(name)),
    path,
  });
  if (tokenizer) return tokenizer;
  throw new InputError(`${file} has no tokenizer, which a network for texts needs; export the network again`);
}

function object(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${path}: expected JSON; export the network again`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InputError(`${path}: expected an object of JSON; export the network again`);
}
