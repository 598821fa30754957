/** Where commands write: results and progress to standard output, remarks and errors to standard error. */
import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import { writeFully } from '@padnet/torch/files';
import { InputError, reasonOf } from '../errors.js';

/** The exit code that a shell gives a program that SIGPIPE ended: its reader had enough. Node ignores the signal. */
export const READER_GONE = 141;

/** The reader of the results has gone (`padnet … | head -1`). */
export class ReaderGoneError extends Error {}

const stdout = 1;
const stderr = 2;

/**
 * Written at once, without Node's streams: they take a file that is full for written, and tell of errors when the
 * command has gone on.
 */
export class Terminal {
  /** The exit code of the process, where no error says otherwise. */
  exitCode = 0;
  readonly #closed = new AbortController();
  #showsProgress = true;
  readonly #said = new Set<string>();

  /** @param parameters what was typed after `padnet` */
  constructor(readonly parameters: readonly string[]) {}

  /** Whether somebody looks: a progress bar and colours make sense. */
  get isInteractive(): boolean {
    return isatty(stdout);
  }

  /** Aborted when the reader of the output has gone: what takes long then stops. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * A result: a line, or several.
   *
   * @throws ReaderGoneError; InputError where standard output takes no more for another reason
   */
  print(text: string): void {
    try {
      writeLine(stdout, text);
    } catch (error) {
      if (isReaderGone(error)) {
        this.#closed.abort();
        throw new ReaderGoneError();
      }
      throw new InputError(`standard output could not be written: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** A result for machines: indented, or on one line where it is one of many. @throws as `print` */
  printJson(value: unknown, { oneLine = false }: { readonly oneLine?: boolean } = {}): void {
    this.print(JSON.stringify(value, null, oneLine ? 0 : 2));
  }

  /** The result of a command: as JSON where that is asked for, else as lines of text. @throws as `print` */
  result(json: boolean | undefined, value: unknown, lines: () => readonly string[]): void {
    if (json) this.printJson(value);
    else this.print(lines().join('\n'));
  }

  /** How far a command is: it goes on where this cannot be written, but for a reader that has gone. */
  progress(text: string): void {
    if (!this.#showsProgress) return;
    try {
      writeLine(stdout, text);
    } catch (error) {
      this.endProgress(error);
    }
  }

  /** Progress cannot be written any more. */
  endProgress(error: unknown): void {
    if (!this.#showsProgress) return;
    this.#showsProgress = false;
    if (isReaderGone(error)) this.#closed.abort();
    else this.warn(`progress is no longer shown: standard output could not be written: ${reasonOf(error)}`);
  }

  get showsProgress(): boolean {
    return this.#showsProgress;
  }

  /** A remark that is no result: lost where standard error takes none. */
  remark(text: string): void {
    try {
      writeLine(stderr, text);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** A remark in the name of the program: what went wrong, or is not as was expected. */
  warn(text: string): void {
    this.remark(`padnet: ${text}`);
  }

  /** A remark that more than one step of a command has reason to make. */
  remarkOnce(text: string): void {
    if (!this.#said.has(text)) this.remark(text);
    this.#said.add(text);
  }

  /** Colours the text where somebody looks and NO_COLOR is not set. */
  style(format: 'green' | 'yellow' | 'red' | 'dim' | 'bold', text: string): string {
    return this.isInteractive && process.env.NO_COLOR === undefined ? styleText(format, text) : text;
  }
}

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE';
}

function writeLine(descriptor: number, text: string): void {
  writeFully(descriptor, Buffer.from(`${text}\n`));
}
