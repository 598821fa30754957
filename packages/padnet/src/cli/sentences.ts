/** Files of sentences: one a line, or two with a tab between. */
import { splitLines } from '../text.js';
import { InputError } from '../errors.js';
import { maxTextBytes, readInput, readStandardInput } from '../readRegularFile.js';
import type { Text } from '../report/index.js';

/**
 * @param file a path, or `-` for standard input
 * @param isPair whether each line has two sentences
 * @throws InputError naming file and line
 */
export async function readSentences(file: string, isPair: boolean): Promise<Text[]> {
  const name = file === '-' ? 'standard input' : file;
  const options = { expected: isPair ? 'pairs of sentences' : 'sentences', maxBytes: maxTextBytes };
  const lines = splitLines(file === '-' ? await readStandardInput(options) : readInput(file, options));
  if (lines.length === 0) throw new InputError(`${name}: expected at least one sentence, found none`);
  return lines.map((bytes, index) => {
    const problem = (text: string): InputError => new InputError(`${name}: line ${index + 1} ${text}`);
    let line: string;
    try {
      line = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw problem('holds a byte that is not UTF-8; convert the file to UTF-8');
    }
    if (line.trim() === '') throw problem('is empty; fill it or remove it');
    const sentences = line.replace(/\r$/, '').split('\t');
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
