/**
 * A process that runs passes of a network when asked. Lines of JSON: it is sent `{"passes": n}` and answers
 * `{"seconds": […]}`, and at the end of its input it says `{"parameters": …, "peakMemoryBytes": …}`.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { reasonOf } from '../errors.js';

export class NetworkProcess {
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  /** @param name for errors */
  constructor(name: string, command: string, parameters: readonly string[], threads: number) {
    this.#name = name;
    const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}` };
    this.#child = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.on('error', (error) => (this.#errors += `${command}: ${reasonOf(error)}`));
    this.#child.stdin.on('error', () => undefined); // the process has ended; the missing answer says so
    this.#child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (this.#errors = (this.#errors + text).slice(-2000)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Seconds of each pass. */
  async run(passes: number): Promise<number[]> {
    this.#child.stdin.write(`${JSON.stringify({ passes })}\n`);
    const { seconds } = await this.#answer<{ seconds: number[] }>();
    return seconds;
  }

  async end(): Promise<{ parameters: number; peakMemoryBytes: number }> {
    this.#child.stdin.end();
    return this.#answer();
  }

  kill(): void {
    this.#child.kill();
  }

  async #answer<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done !== true) return JSON.parse(line.value) as T;
    const reason = this.#errors.trim().split('\n').at(-1) ?? '';
    throw new Error(`the process that measures ${this.#name} has ended: ${reason === '' ? 'no reason given' : reason}`);
  }
}
