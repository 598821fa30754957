/** Files of JSON: what is wrong with one is told by its line or its key, with what was expected and what to do. */
import type { z } from 'zod';
import { InputError } from './errors.js';
import { maxSettingsBytes, readRegularFile } from './readRegularFile.js';
import { parseAs } from './schemaProblems.js';
import { checkText } from './text.js';

export interface JsonOptions {
  /** The kind of file that it should be, such as `the split of a run`. */
  readonly expected: string;
  /** The way out where it is something else, such as `train again`. */
  readonly wayOut: string;
  /** The size of the largest file that is read. @default maxSettingsBytes */
  readonly maxBytes?: number;
}

/** @throws InputError where there is no such file, or it is not what the schema says */
export function readJson<T>(file: string, schema: z.ZodType<T>, options: JsonOptions): T {
  const { expected, maxBytes = maxSettingsBytes } = options;
  const text = checkText(readRegularFile(file, { expected, maxBytes }), file).toString('utf8');
  return parseJson(text, file, schema, options);
}

/** @param file named in messages. @throws InputError where it is not what the schema says */
export function parseJson<T>(text: string, file: string, schema: z.ZodType<T>, { expected, wayOut }: JsonOptions): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const position = / at position (\d+)/.exec((cause as SyntaxError).message)?.[1];
    const line =
      position === undefined || !text.includes('\n') ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw new InputError(`${file}${line}: expected ${expected}, but it is not JSON; ${wayOut}`, { cause });
  }
  return parseAs(schema.describe(expected), json, (problems) => new InputError(`${file}: ${problems}; ${wayOut}`));
}
