/** Where commands write: results to stdout, remarks and errors to stderr. */
import { styleText } from 'node:util';

export interface Output extends NodeJS.EventEmitter {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export class Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  /** What the process ends with, where no error says otherwise. */
  exitCode = 0;
  readonly #closed = new AbortController();

  constructor(stdout: Output = process.stdout, stderr: Output = process.stderr) {
    this.stdout = stdout;
    this.stderr = stderr;
    for (const stream of [stdout, stderr]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') throw error;
        this.#closed.abort();
      });
    }
  }

  /** Whether somebody looks: a progress bar and colours make sense. */
  get isInteractive(): boolean {
    return this.stdout.isTTY === true;
  }

  /** Aborted when the reader of the output has gone (`padnet … | head -1`): what is printed from then on is dropped. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** A line, or several. */
  print(text: string): void {
    if (!this.closed.aborted) this.stdout.write(`${text}\n`);
  }

  /** A result for machines: indented, or on one line where it is one of many. */
  printJson(value: unknown, { oneLine = false }: { readonly oneLine?: boolean } = {}): void {
    this.print(JSON.stringify(value, null, oneLine ? 0 : 2));
  }

  /** A remark that is no result. */
  remark(text: string): void {
    if (!this.closed.aborted) this.stderr.write(`${text}\n`);
  }

  /** Colours the text where somebody looks and NO_COLOR is not set. */
  style(format: 'green' | 'yellow' | 'red' | 'dim' | 'bold', text: string): string {
    return this.isInteractive && process.env.NO_COLOR === undefined ? styleText(format, text) : text;
  }
}
