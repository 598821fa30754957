import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const child = fileURLToPath(new URL('./fuzz.test.child.js', import.meta.url));
const hangsAfter = 60_000;

/** Runs random calls in a process of its own; fails with the call at which it ended, or stayed for a minute. */
async function randomCalls(seed: number, calls: number): Promise<{ returned: number; threw: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'padnet-fuzz-'));
  const callFile = join(folder, 'call');
  try {
    const run = spawn(process.execPath, [child, String(seed), '0', String(calls), callFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    run.stdout.on('data', (data: Buffer) => (output += data.toString()));
    run.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)));
    const lastCall = (): string => readFileSync(callFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
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
    if (code !== 0) throw new Error(`seed ${seed}: ${signal ?? code} at ${lastCall()}\n${errors}`);
    return JSON.parse(output.trimEnd().split('\n').at(-1)!) as { returned: number; threw: number };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const long = process.env.PADNET_LONG_TESTS === '1';

describe('random calls of all operators give results or errors, never a crash', () => {
  it.each(long ? [1, 2, 3, 4, 5] : [1])(
    'seed %i',
    async (seed) => {
      const calls = long ? 10_000 : 1_000;
      const { returned, threw } = await randomCalls(seed, calls);
      expect(returned + threw).toBeGreaterThanOrEqual(calls);
      // Both happen often: the arguments are neither all nonsense nor all harmless.
      expect(returned).toBeGreaterThan(calls / 5);
      expect(threw).toBeGreaterThan(calls / 5);
    },
    600_000,
  );
});
