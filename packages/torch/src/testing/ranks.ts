/** Ranks of a process group for tests: a program in several processes. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

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

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
