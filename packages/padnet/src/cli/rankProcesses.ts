/** The ranks of one machine as processes: started together, told of signals together, and none left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../errors.js';
import { exitCodes, type StopSignal, stopSignals } from './interruption.js';
import { RankMessages } from './rankMessages.js';
import { READER_GONE, type Terminal } from './terminal.js';

const program = fileURLToPath(new URL('../../bin/padnet.js', import.meta.url));

/** Seconds that are left to the others once a rank has failed, or rank 0 has ended. */
const patience = 10;

/** The exit codes of a command that was asked to stop, and did. */
const stopCodes: readonly number[] = [...Object.values(exitCodes), READER_GONE];

/** Shows the cursor of a terminal, and lets lines be wrapped. */
const showCursor = '\x1b[?25h\x1b[?7h';

/** One rank to start. */
export interface RankPlan {
  readonly rank: number;
  readonly env: NodeJS.ProcessEnv;
}

/** How a rank ended. */
interface RankEnd {
  /** Null where a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** As what follows `rank 1`. */
  readonly text: string;
}

interface Rank {
  readonly rank: number;
  readonly child: ChildProcess;
  end: RankEnd | null;
  /** Whether none of its processes is left. */
  hasGone: boolean;
}

/**
 * Rank 0 has this terminal; of the others only what they say to standard error is passed on, and what has been said is
 * not said again. Once a rank has failed, and once rank 0 has ended, the others have ten seconds. The first signal that
 * asks to stop is passed on, the second ends all.
 */
export class RankProcesses {
  readonly #terminal: Terminal;
  readonly #messages: RankMessages;
  readonly #ranks: Rank[] = [];
  /** In the order in which they did. */
  readonly #failed: Rank[] = [];
  /** Those that were killed since they did not end. */
  readonly #late = new Set<Rank>();
  /** That of rank 0 where it stopped, else of the first that did. */
  #stopCode: number | null = null;
  #asked: StopSignal | null = null;
  /** What all were told to stop by. */
  #told: StopSignal | null = null;
  #isKilled = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#messages = new RankMessages(terminal);
  }

  /**
   * Runs `padnet` with the parameters in every rank.
   *
   * @returns the exit code; where ranks failed, a last line says which, and how
   */
  async run(plans: readonly RankPlan[], parameters: readonly string[]): Promise<number> {
    const onSignal = (name: NodeJS.Signals): void => {
      this.#received(name as StopSignal);
    };
    const onResize = (): void => {
      this.#ranks.find(({ rank }) => rank === 0)?.child.kill('SIGWINCH');
    };
    for (const name of stopSignals) process.on(name, onSignal);
    process.on('SIGWINCH', onResize);
    try {
      await Promise.all(plans.map((plan) => this.#start(plan, parameters)));
    } finally {
      this.#kill(); // none, but where one could not be started
      for (const timer of this.#timers) clearTimeout(timer);
      for (const name of stopSignals) process.off(name, onSignal);
      process.off('SIGWINCH', onResize);
      this.#messages.flush();
    }
    // Rank 0 may have hidden the cursor.
    const isCut = this.#ranks.some(({ rank, end }) => rank === 0 && end?.signal != null);
    if (isCut && this.#terminal.isInteractive) this.#terminal.progress(showCursor);
    return this.#exitCode();
  }

  /** @returns when none of its processes is left */
  #start({ rank: number, env }: RankPlan, parameters: readonly string[]): Promise<void> {
    const own = number === 0 ? 'inherit' : 'ignore';
    // In a session of its own: Ctrl-C reaches it through this process alone, and what it starts can end with it.
    const child = spawn(process.execPath, [...process.execArgv, program, ...parameters], {
      env,
      detached: true,
      stdio: [own, own, 'pipe', 'ipc'],
    });
    const rank: Rank = { rank: number, child, end: null, hasGone: false };
    this.#ranks.push(rank);
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#messages.add(number, line);
      });
    }
    return new Promise((resolve) => {
      const gone = (): void => {
        rank.hasGone = true;
        resolve();
      };
      child.on('exit', (code, signal) => {
        const text = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        this.#ended(rank, { code, signal, text });
      });
      child.on('close', gone);
      child.on('error', (error) => {
        if (child.pid !== undefined) return; // it has just ended
        this.#ended(rank, { code: null, signal: null, text: `could not be started: ${reasonOf(error)}` });
        gone();
      });
    });
  }

  #ended(rank: Rank, end: RankEnd): void {
    rank.end = end;
    const { code, signal } = end;
    // One that has not begun, or has just ended its work, ends by the signal itself.
    const isStopped = code === null ? signal !== null && signal === this.#told : stopCodes.includes(code);
    if (isStopped) {
      if (this.#stopCode === null || rank.rank === 0) this.#stopCode = code ?? exitCodes[this.#told!];
    } else if (code !== 0) this.#failed.push(rank);
    // While ranks stop, rank 0 may still be saving. One that stopped before all had met has told nobody.
    if (rank.rank === 0 || !(isStopped || code === 0)) this.#later(this.#killLate);
    else if (isStopped) {
      this.#later(() => {
        this.#tell('SIGTERM');
      });
    }
  }

  #later(what: () => void): void {
    this.#timers.push(setTimeout(what, 1000 * patience));
  }

  #received(name: StopSignal): void {
    if (this.#asked === null) {
      this.#asked = name;
      this.#tell(name);
    } else {
      this.#isKilled = true;
      this.#kill();
    }
  }

  /** Asks all to stop, once: a second signal would end them at once. */
  #tell(name: StopSignal): void {
    if (this.#told !== null) return;
    this.#told = name;
    for (const { child } of this.#ranks) child.kill(name);
  }

  readonly #killLate = (): void => {
    for (const rank of this.#ranks) if (rank.end === null) this.#late.add(rank);
    this.#kill();
  };

  #kill(): void {
    for (const { child, hasGone } of this.#ranks) if (!hasGone) killGroup(child);
  }

  /** Says how ranks failed, and what the exit code is. */
  #exitCode(): number {
    const failed = this.#failed;
    const asked = this.#asked === null ? null : exitCodes[this.#asked];
    if (this.#isKilled) return asked!;
    if (failed.length === 0) return this.#stopCode === null ? 0 : (asked ?? this.#stopCode);
    const isTold = this.#ranks.length === 1 && failed[0]!.end!.code !== null;
    if (!isTold) this.#terminal.warn(this.#failures());
    return failed[0]!.end!.code ?? 1;
  }

  /** Those that a signal ended come first: it came from outside, and the rest follows from it. */
  #failures(): string {
    const failed = this.#failed.filter((rank) => !this.#late.has(rank));
    const bySignal = failed.filter(({ end }) => end!.signal !== null);
    const ordered = new Set([...bySignal, ...failed].map(({ end }) => end!.text));
    const words = [...ordered].map((text) => `${named(failed.filter(({ end }) => end!.text === text))} ${text}`);
    if (this.#late.size > 0) words.push(`${named([...this.#late])} did not end within ${patience} s: killed`);
    return words.join('; ');
  }
}

/** Ends a rank and all that it has started. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
  }
}

/** `rank 1`, or `ranks 0, 2` */
function named(ranks: readonly Rank[]): string {
  const numbers = ranks.map(({ rank }) => rank).sort((a, b) => a - b);
  return `rank${numbers.length > 1 ? 's' : ''} ${numbers.join(', ')}`;
}
