import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';
import { InputError } from '../../errors.js';
import { readJson as readJsonFile } from '../../jsonFile.js';
import { readRegularText } from '../../readRegularFile.js';
import { TextTokenizer } from './tokenizer.js';
import { byteLevelBpeJson, wordPieceJson } from './tokenizerJson.js';

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
  const file = (name: string): string => join(folder, name);
  const has = (name: string): boolean => existsSync(file(name));
  const config = has('tokenizer_config.json') ? readJson(file('tokenizer_config.json')) : {};
  if (has('tokenizer.json')) {
    return new TextTokenizer(readJson(file('tokenizer.json')), config, file('tokenizer.json'));
  }
  if (has('added_tokens.json')) {
    throw new InputError(
      `${file('added_tokens.json')} adds tokens to the vocabulary, which only a tokenizer.json can do; give one`,
    );
  }
  if (has('vocab.txt')) {
    const path = file('vocab.txt');
    return new TextTokenizer(wordPieceJson(readText(path), config, path), config, path);
  }
  if (has('vocab.json') && has('merges.txt')) {
    const path = file('vocab.json');
    const json = byteLevelBpeJson(readJson(path), readText(file('merges.txt')), config, path);
    return new TextTokenizer(json, config, path);
  }
  const found = existsSync(folder) ? 'none is there' : 'there is no such folder';
  throw new InputError(
    `${folder}: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt, ${found}; give the folder of a ` +
      'pretrained encoder with its tokenizer',
  );
}
