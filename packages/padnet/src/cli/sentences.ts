/** Files of lines: sentences, one a line, or two with a tab between; names of pictures. */
import { decodeText, readTextFile } from '../data/text/textFile.js';
import { splitLines } from '../text.js';
import { InputError } from '../errors.js';
import { maxTextBytes, readStandardInput } from '../readRegularFile.js';
import type { Text } from '../analysis/index.js';

/**
 * The lines of a text in UTF-8, gzipped or not.
 *
 * @param file a path, or `-` for standard input
 * @param expected what they are, for messages
 * @throws InputError where it cannot be read, is of another encoding or no text
 */
export async function readLines(file: string, expected: string): Promise<string[]> {
  if (file !== '-') return splitLines(readTextFile(file, expected));
  return splitLines(decodeText(await readStandardInput({ expected, maxBytes: maxTextBytes }), 'standard input'));
}

/**
 * @param file a path, or `-` for standard input
 * @param isPair whether each line has two sentences
 * @throws InputError naming file and line
 */
export async function readSentences(file: string, isPair: boolean): Promise<Text[]> {
  const name = file === '-' ? 'standard input' : file;
  const lines = await readLines(file, isPair ? 'pairs of sentences' : 'sentences');
  if (lines.length === 0) throw new InputError(`${name}: expected at least one sentence, found none`);
  return lines.map((line, index) => {
    const problem = (text: string): InputError => new InputError(`${name}: line ${index + 1} ${text}`);
    if (line.trim() === '') throw problem('is empty; fill it or remove it');
    const sentences = line.split('\t');
    const expected = isPair ? 2 : 1;
    if (sentences.length !== expected) {
      const what = isPair ? 'two sentences with a tab between' : 'one sentence without a tab';
      throw problem(`has ${sentences.length} columns, expected ${expected}: ${what}`);
    }
    const [first = '', second = null] = sentences;
    if (first.trim() === '' || second?.trim() === '')
      throw problem('has an empty sentence; fill it or remove the line');
    return { first, second };
  });
}
