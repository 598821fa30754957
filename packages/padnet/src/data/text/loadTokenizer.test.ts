import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import { loadGlue } from './glue.js';
import { loadTokenizer } from './loadTokenizer.js';
import {
  bpeMerges,
  bpeVocabulary,
  wordPieceFile,
  wordPieces,
} from '../../../../runtime/dist/tokenizer/tokenizers.test.fixture.js';

const SHARED_VOCABULARY = '../shared/data/bert-base-uncased';
const SHARED_GLUE = '../shared/data/glue';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-tokenizer-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, content: string | object): void {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
}

function expectError(message: string): void {
  expect(() => loadTokenizer(folder)).toThrow(InputError);
  expect(() => loadTokenizer(folder)).toThrow(message);
}

describe('loadTokenizer', () => {
  it.each(['\n', '\r\n'])('reads vocab.txt with %j as tokenizer.json', (end) => {
    write('vocab.txt', wordPieces.join(end) + end);
    const fromVocabulary = loadTokenizer(folder).encode('The naïve cats', '中国!');
    expect(fromVocabulary.inputIds).toEqual([2, 5, 16, 6, 8, 3, 17, 18, 14, 3]);
    write('tokenizer.json', wordPieceFile);
    expect(loadTokenizer(folder).encode('The naïve cats', '中国!')).toEqual(fromVocabulary);
  });

  it('reads case and accents from tokenizer_config.json', () => {
    write('vocab.txt', [...wordPieces, 'The', 'naïve'].join('\n'));
    write('tokenizer_config.json', { do_lower_case: false, tokenize_chinese_chars: false });
    expect(loadTokenizer(folder).encode('The naïve cat 中国', null).inputIds).toEqual([2, 19, 20, 6, 1, 3]);
    write('tokenizer_config.json', { do_lower_case: false, strip_accents: true });
    expect(loadTokenizer(folder).encode('The naïve cat 中国', null).inputIds).toEqual([2, 19, 16, 6, 17, 18, 3]);
  });

  it("reads RoBERTa's vocab.json and merges.txt: <s> a </s></s> b </s>, types 0", () => {
    write('vocab.json', bpeVocabulary);
    write('merges.txt', bpeMerges);
    const tokenizer = loadTokenizer(folder);
    expect(tokenizer.padTokenId).toBe(1);
    expect(tokenizer.encode('the cat', null)).toEqual({
      inputIds: [0, 11, 14, 2],
      tokenTypeIds: [0, 0, 0, 0],
      tokens: ['<s>', 'the', 'Ġcat', '</s>'],
    });
    expect(tokenizer.encode('the cat', 'thé')).toMatchObject({
      inputIds: [0, 11, 14, 2, 2, 10, 15, 16, 2],
      tokenTypeIds: [0, 0, 0, 0, 0, 0, 0, 0, 0],
    });
    expect(tokenizer.encode('', '').inputIds).toEqual([0, 2, 2, 2]);
    write('tokenizer_config.json', { add_prefix_space: true });
    expect(loadTokenizer(folder).encode('cat', null).inputIds).toEqual([0, 14, 2]);
  });

  it.skipIf(!existsSync(SHARED_VOCABULARY) || !existsSync(SHARED_GLUE)).each([
    ['cola', '87430cbd43e45503'],
    ['mrpc', '034dee834d406d8d'],
    ['rte', 'e1e6be50349b4b38'],
  ] as const)("gives the ids of Hugging Face's Python package for all of %s's dev set", (task, expected) => {
    const tokenizer = loadTokenizer(SHARED_VOCABULARY);
    const { first, second } = loadGlue({ task, path: SHARED_GLUE }).dev;
    const hash = createHash('sha256');
    first.forEach((sentence, row) => {
      const { inputIds, tokenTypeIds } = tokenizer.encode(sentence, second?.[row] ?? null, { maxLength: 64 });
      hash.update(`${inputIds.join(' ')}|${tokenTypeIds.join(' ')}\n`);
    });
    // SHA-256 of BertWordPieceTokenizer(vocab.txt) with enable_truncation(64), tokenizers 0.23.3.
    expect(hash.digest('hex').slice(0, 16)).toBe(expected);
  });

  it('says what it looks for', () => {
    expectError(`${folder}: expected tokenizer.json, vocab.txt, or vocab.json with merges.txt, none is there; give`);
    write('vocab.json', bpeVocabulary);
    expectError('none is there');
    const nowhere = join(folder, 'nowhere');
    expect(() => loadTokenizer(nowhere)).toThrow(`${nowhere}: expected tokenizer.json`);
    expect(() => loadTokenizer(nowhere)).toThrow('there is no such folder');
  });

  it('refuses files that contradict each other, or say what is not known', () => {
    write('tokenizer.json', wordPieceFile);
    write('tokenizer_config.json', { do_lower_case: false });
    expectError(
      `${join(folder, 'tokenizer.json')}: normalizer.lowercase is true, ` +
        'but tokenizer_config.json has do_lower_case: false',
    );
    write('tokenizer_config.json', { do_lower_case: true, strip_accents: null, tokenize_chinese_chars: true });
    expect(loadTokenizer(folder).padTokenId).toBe(0);
    rmSync(join(folder, 'tokenizer.json'));
    write('vocab.txt', wordPieces.join('\n'));
    write('added_tokens.json', { '<x>': 19 });
    expectError(`${join(folder, 'added_tokens.json')} adds tokens to the vocabulary`);
  });

  it('names the damaged file', () => {
    write('tokenizer.json', '{"model": ');
    expectError(
      `${join(folder, 'tokenizer.json')}: expected a file of a tokenizer, but it is not JSON; get the file again`,
    );
    write('tokenizer.json', '[]');
    expectError('tokenizer.json: expected a file of a tokenizer, got []; get the file again');
    rmSync(join(folder, 'tokenizer.json'));
    write('vocab.txt', '[PAD]\n[UNK]\n[CLS]\nthe\n');
    expectError(`${join(folder, 'vocab.txt')}: expected the token [SEP], it is not there`);
    rmSync(join(folder, 'vocab.txt'));
    mkdirSync(join(folder, 'vocab.txt'));
    expectError('vocab.txt: expected a file of a tokenizer, but it is a folder');
  });
});
