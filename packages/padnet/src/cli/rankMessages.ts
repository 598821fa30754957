/** What several ranks say to standard error, as one text. */
import type { Terminal } from './terminal.js';

/** Milliseconds for which a line of another rank waits: rank 0 may be about to say the same, once it may speak. */
const wait = 3000;
/** Lines that are kept to know that they have been said. */
const most = 10_000;

/** The lines of rank 0 as they are, those of others with their name, where nobody has said the same. */
export class RankMessages {
  readonly #terminal: Terminal;
  readonly #said = new Set<string>();
  readonly #waiting = new Map<NodeJS.Timeout, () => void>();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add(rank: number, line: string): void {
    if (rank === 0) {
      this.#terminal.remark(line);
      this.#keep(line);
      return;
    }
    if (line.trim() === '' || this.#said.has(sentenceOf(line))) return;
    const say = (): void => {
      this.#waiting.delete(timer);
      if (this.#said.has(sentenceOf(line))) return;
      this.#terminal.remark(`rank ${rank}: ${line}`);
      this.#keep(line);
    };
    const timer = setTimeout(say, wait);
    this.#waiting.set(timer, say);
  }

  /** Says what still waits. */
  flush(): void {
    for (const [timer, say] of this.#waiting) {
      clearTimeout(timer);
      say();
    }
  }

  #keep(line: string): void {
    if (this.#said.size >= most) this.#said.clear();
    this.#said.add(sentenceOf(line));
  }
}

/** What is said, whether or not in the name of the program. */
function sentenceOf(line: string): string {
  return line.replace(/^padnet: /, '');
}
