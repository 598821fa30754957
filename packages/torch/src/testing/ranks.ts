/** Ranks of a process group for tests: a program in several processes. */
import { spawn } from 'node:child_process';
import { freePort } from '../distributed/freePort.js';

export interface RankResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunRanksOptions {
  /** Arguments of the program. */
  readonly arguments?: readonly string[];
  /** Further ones of a rank. */
  readonly argumentsOf?: (rank: number) => readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Further variables of a rank. */
  readonly envOf?: (rank: number) => NodeJS.ProcessEnv;
  /** Where they meet. @default a free one */
  readonly port?: number;
  /** Called with the process of each rank, in order, once all are started. */
  readonly onStart?: (processes: readonly { readonly pid: number }[]) => void;
}

/** Runs `program` (a URL of a module) as `size` ranks with one thread each, to their ends. */
export async function runRanks(program: URL, size: number, options: RunRanksOptions = {}): Promise<RankResult[]> {
  const { port = await freePort() } = options;
  const started = Array.from({ length: size }, (_, rank) => {
    const child = spawn(
      process.execPath,
      [program.pathname, ...(options.arguments ?? []), ...(options.argumentsOf?.(rank) ?? [])],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...rankVariables(rank, size, port), ...options.env, ...options.envOf?.(rank) },
      },
    );
    const result = new Promise<RankResult>((resolve, reject) => {
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (text) => (stdout += String(text)));
      child.stderr.on('data', (text) => (stderr += String(text)));
      child.on('error', reject);
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout, stderr });
      });
    });
    return { pid: child.pid!, result };
  });
  options.onStart?.(started);
  return Promise.all(started.map(({ result }) => result));
}

/**
 * What each rank of a program prints as JSON, in order.
 *
 * @throws Error where one ends with an error, or says anything to standard error
 */
export async function rankAnswers<T>(program: URL, size: number, options: RunRanksOptions = {}): Promise<T[]> {
  const ranks = await runRanks(program, size, options);
  return ranks.map(({ code, stdout, stderr }, rank) => {
    if (code !== 0 || stderr !== '') throw new Error(`rank ${rank} ended with exit code ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  });
}

/** The variables that torchrun gives to a rank on this machine. */
export function rankVariables(rank: number, size: number, port: number): Record<string, string> {
  return {
    RANK: `${rank}`,
    WORLD_SIZE: `${size}`,
    LOCAL_RANK: `${rank}`,
    LOCAL_WORLD_SIZE: `${size}`,
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: `${port}`,
    OMP_NUM_THREADS: '1',
  };
}
