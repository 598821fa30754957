import { READER_GONE, type Terminal } from './terminal.js';

/** Whether an error tells of nothing but the abort. */
export function isAbort(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || (error instanceof Error && error.name === 'AbortError'));
}

/** The exit codes that a shell gives programs that a signal ended; SIGHUP: the terminal has gone. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof exitCodes;
const stopSignals = Object.keys(exitCodes) as StopSignal[];

/** Ctrl-C and the other signals that ask to stop: the first aborts `signal`, the second ends the process at once. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #terminal: Terminal;
  readonly #listener = (name: NodeJS.Signals): void => {
    this.#received(name as StopSignal);
  };
  #exitCode: number | null = null;
  /** Aborted also where the reader of the progress has gone. */
  readonly signal: AbortSignal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.signal = AbortSignal.any([this.#controller.signal, terminal.closed]);
    for (const name of stopSignals) process.on(name, this.#listener);
  }

  /** The exit code of a command that has stopped by the signal. */
  get exitCode(): number {
    return this.#exitCode ?? (this.#terminal.closed.aborted ? READER_GONE : exitCodes.SIGTERM); // another rank got it
  }

  [Symbol.dispose](): void {
    for (const name of stopSignals) process.off(name, this.#listener);
  }

  #received(name: StopSignal): void {
    if (this.#controller.signal.aborted) process.exit(exitCodes[name]);
    this.#exitCode = exitCodes[name];
    this.#terminal.remark(`\n${name === 'SIGINT' ? 'Ctrl-C' : name}: finishing this step; once more to exit at once`);
    this.#controller.abort();
  }
}
