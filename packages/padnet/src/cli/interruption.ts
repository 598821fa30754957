import { READER_GONE, type Terminal } from './terminal.js';

/** Whether an error tells of nothing but the abort. */
export function isAbort(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || (error instanceof Error && error.name === 'AbortError'));
}

/** The exit codes that a shell gives programs that a signal ended; SIGHUP: the terminal has gone. */
export const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type StopSignal = keyof typeof exitCodes;
/** The signals that ask a command to stop. */
export const stopSignals = Object.keys(exitCodes) as StopSignal[];

/**
 * Ctrl-C and the other signals that ask to stop: the first aborts `signal`, the second ends the process at once. A rank
 * of `padnet launch` is asked to stop, too, by the end of that, be it killed.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #terminal: Terminal;
  readonly #listener = (name: NodeJS.Signals): void => {
    this.#received(name as StopSignal);
  };
  readonly #onDisconnect = (): void => {
    if (!this.#controller.signal.aborted) this.#stop('SIGHUP', '`padnet launch` has ended: finishing this step');
  };
  #exitCode: number | null = null;
  /** Aborted also where the reader of the progress has gone. */
  readonly signal: AbortSignal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.signal = AbortSignal.any([this.#controller.signal, terminal.closed]);
    for (const name of stopSignals) process.on(name, this.#listener);
    if (process.env.PADNET_LAUNCH === undefined) return;
    process.on('disconnect', this.#onDisconnect);
    process.channel?.unref(); // it is no reason to go on
    if (!process.connected) this.#onDisconnect();
  }

  /** The exit code of a command that has stopped by the signal. */
  get exitCode(): number {
    return this.#exitCode ?? (this.#terminal.closed.aborted ? READER_GONE : exitCodes.SIGTERM); // another rank got it
  }

  [Symbol.dispose](): void {
    for (const name of stopSignals) process.off(name, this.#listener);
    process.off('disconnect', this.#onDisconnect);
  }

  #received(name: StopSignal): void {
    if (this.#controller.signal.aborted) process.exit(exitCodes[name]);
    this.#stop(name, `\n${name === 'SIGINT' ? 'Ctrl-C' : name}: finishing this step; once more to exit at once`);
  }

  #stop(name: StopSignal, remark: string): void {
    this.#exitCode = exitCodes[name];
    this.#terminal.remark(remark);
    this.#controller.abort();
  }
}
