import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { tokenizerOfFiles, type TextTokenizer } from '@padnet/runtime/shared';
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { readJson as readJsonFile } from '../../jsonFile.js';
import { readRegularText } from '../../readRegularFile.js';

/** The size of files of the largest vocabularies, with room to spare. */
const maxTokenizerBytes = 2 ** 28;

const options = { expected: 'a file of a tokenizer', maxBytes: maxTokenizerBytes };

function readText(file: string): string {
  return readRegularText(file, options);
}

function readJson(file: string): Readonly<Record<string, unknown>> {
  return readJsonFile(file, z.record(z.string(), z.unknown()), { ...options, wayOut: 'get the file again' });
}

/**
 * The tokenizer in a folder: `tokenizer.json`, else `vocab.txt` (BERT and ELECTRA's WordPiece), else `vocab.json` with
 * `merges.txt` (RoBERTa's byte-level BPE); `tokenizer_config.json` counts where it is there.
 *
 * @throws InputError if there is none of these, one is damaged, or it asks for what is not known here
 */
export function loadTokenizer(folder: string): TextTokenizer {
  const path = (name: string): string => join(folder, name);
  const tokenizer = tokenizerOfFiles({
    has: (name) => existsSync(path(name)),
    text: (name) => readText(path(name)),
    json: (name) => readJson(path(name)),
    path,
  });
  if (tokenizer) return tokenizer;
  const found = existsSync(folder) ? 'none is there' : 'there is no such folder';
  throw new InputError(
    `${folder}: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt, ${found}; give the folder of a ` +
      'pretrained encoder with its tokenizer',
  );
}
