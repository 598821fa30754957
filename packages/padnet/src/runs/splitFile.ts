/** How a run divided its samples, on disk: `split.json`. */
import { z } from 'zod';
import type { DataSplit } from '../data/index.js';
import { readJson } from '../jsonFile.js';
import { isThere, maxTextBytes } from '../readRegularFile.js';
import { writeFileAtomic } from '../outputFile.js';

const fileSchema = z
  .strictObject({
    format: z.literal('padnet-split-1'),
    testFraction: z.number(),
    seed: z.int(),
    train: z.array(z.string()),
    test: z.array(z.string()),
  })
  .superRefine(({ train, test }, context) => {
    const tested = new Set(test);
    const both = train.findIndex((name) => tested.has(name));
    if (both === -1) return;
    const message = `${train[both]!} is in test too; expected each sample in one of the two`;
    context.addIssue({ code: 'custom', path: ['train', both], message });
  });

export function writeSplit(file: string, split: DataSplit): void {
  writeFileAtomic(file, `${JSON.stringify({ format: 'padnet-split-1', ...split }, null, 2)}\n`);
}

/** Undefined where there is none: the data say themselves what is tested on. @throws InputError where it is damaged */
export function readSplit(file: string): DataSplit | undefined {
  if (!isThere(file)) return undefined;
  const { testFraction, seed, train, test } = readJson(file, fileSchema, {
    expected: 'the split of a run',
    wayOut: 'restore it from a copy, or train again',
    maxBytes: maxTextBytes,
  });
  return { testFraction, seed, train, test };
}
