import type { Terminal } from './terminal.js';

/** Whether an error tells of nothing but the abort. */
export function isAbort(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || (error instanceof Error && error.name === 'AbortError'));
}

/** Ctrl-C and SIGTERM: the first aborts `signal`, the second ends the process at once. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #terminal: Terminal;
  readonly #listener = (name: NodeJS.Signals): void => {
    this.#received(name);
  };
  exitCode = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }

  #received(name: NodeJS.Signals): void {
    const code = name === 'SIGINT' ? 130 : 143;
    if (this.signal.aborted) process.exit(code);
    this.exitCode = code;
    this.#terminal.remark(`\n${name === 'SIGINT' ? 'Ctrl-C' : name}: finishing this step; once more to exit at once`);
    this.#controller.abort();
  }
}
