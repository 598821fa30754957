/** How a run divided its samples, on disk: `split.json`. */
import { z } from 'zod';
import type { DataSplit } from '../data/index.js';
import { describeIssues, InputError } from '../errors.js';
import { isThere, maxTextBytes, readRegularText } from '../readRegularFile.js';
import { writeFileAtomic } from '../outputFile.js';

const fileSchema = z.strictObject({
  format: z.literal('padnet-split-1'),
  testFraction: z.number(),
  seed: z.int(),
  train: z.array(z.string()),
  test: z.array(z.string()),
});

export function writeSplit(file: string, split: DataSplit): void {
  writeFileAtomic(file, `${JSON.stringify({ format: 'padnet-split-1', ...split }, null, 2)}\n`);
}

/** Undefined where there is none: the data say themselves what is tested on. @throws InputError where it is damaged */
export function readSplit(file: string): DataSplit | undefined {
  if (!isThere(file)) return undefined;
  const text = readRegularText(file, { expected: 'the split of a run', maxBytes: maxTextBytes });
  const damaged = (reason: string): InputError =>
    new InputError(
      `${file}: damaged, expected what training wrote (${reason}); get it back from a copy, or train anew`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged((error as Error).message);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw damaged(describeIssues(parsed.error));
  const { testFraction, seed, train, test } = parsed.data;
  return { testFraction, seed, train, test };
}
