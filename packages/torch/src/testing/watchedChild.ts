/**
 * Tests that may end their process: they run as a child, which writes what it is about to do to a file, so that a crash
 * names its culprit.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A child that does nothing new for so long hangs, milliseconds. */
const hangsAfter = 60_000;

export interface WatchedChildOptions {
  /** On top of this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Whether each tensor ends right before memory that cannot be read (`native/fence.c`): reading or writing beyond it
   * then ends the child. Where the fence was not built (macOS) it runs without. @default false
   */
  readonly fenced?: boolean;
}

/**
 * Runs `node CHILD …parameters CALL_FILE` to its end.
 *
 * @returns the JSON of the last line that it printed
 * @throws Error naming the last call where the child crashed, failed or did nothing new for a minute
 */
export async function watchedChild(
  child: string,
  parameters: readonly (string | number)[],
  { environment = {}, fenced = false }: WatchedChildOptions = {},
): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'padnet-child-'));
  const callFile = join(folder, 'call');
  const lastCall = (): string =>
    existsSync(callFile) ? (readFileSync(callFile, 'utf8').trimEnd().split('\n').at(-1) ?? '') : '';
  try {
    const run = spawn(process.execPath, [child, ...parameters.map(String), callFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment, ...(fenced && existsSync(fence) && { LD_PRELOAD: fence }) },
    });
    let output = '';
    let errors = '';
    run.stdout.on('data', (data: Buffer) => (output += data.toString()));
    run.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)));
    let seen = '';
    const watch = setInterval(() => {
      const now = lastCall();
      if (now === seen) run.kill('SIGKILL');
      seen = now;
    }, hangsAfter);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      run.on('close', (...end) => {
        resolve(end);
      }),
    );
    clearInterval(watch);
    if (code !== 0) throw new Error(`${parameters.join(' ')}: ${signal ?? code} at ${lastCall()}\n${errors}`);
    return JSON.parse(output.trimEnd().split('\n').at(-1)!);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const fence = fileURLToPath(new URL('../../build/libfence.so', import.meta.url));
