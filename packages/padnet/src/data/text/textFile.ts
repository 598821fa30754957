/** Files of text: UTF-8, plain or gzipped. */
import { InputError } from '../../errors.js';
import { maxTextBytes, readInput } from '../../readRegularFile.js';
import { checkText } from '../../text.js';
import { gunzip, isGzip } from '../gunzip.js';

/**
 * The bytes of a file's text, without a byte-order mark; expanded where it is gzipped, whatever it is called.
 *
 * @param expected what it should be, for messages, such as `tab-separated text`
 * @throws InputError if the file is unreadable or damaged, is UTF-16, or holds NUL or a byte that is not UTF-8, naming
 *   the line
 */
export function readTextFile(file: string, expected: string): Buffer {
  return decodeText(readInput(file, { expected, maxBytes: maxTextBytes }), file);
}

/** The same of what has been read. @param file what messages call it */
export function decodeText(stored: Buffer, file: string): Buffer {
  const tooLong = (): InputError =>
    new InputError(`${file}: expected at most ${maxTextBytes} bytes of text, found more; split the file`);
  const isZipped = isGzip(stored) || file.endsWith('.gz');
  return checkText(isZipped ? Buffer.from(gunzip(stored, file, maxTextBytes, tooLong)) : stored, file);
}
