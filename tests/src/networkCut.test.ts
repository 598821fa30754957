/** Ranks in two network namespaces, with a link between them that is cut: two machines, as far as the network goes. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { program, tinyRecipe, writePictures } from './padnetProcess.js';

const names = [0, 1].map((rank) => `padnet-${process.pid}-${rank}`);
const address = (rank: number): string => `10.213.7.${rank + 1}`;

function ip(...parameters: string[]): void {
  execFileSync('ip', parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Makes both namespaces and the link, where this machine lets us. */
function link(): boolean {
  try {
    for (const name of names) ip('netns', 'add', name);
    ip('link', 'add', 'rank0', 'netns', names[0]!, 'type', 'veth', 'peer', 'name', 'rank1', 'netns', names[1]!);
    for (const [rank, name] of names.entries()) {
      ip('-n', name, 'address', 'add', `${address(rank)}/24`, 'dev', `rank${rank}`);
      for (const device of ['lo', `rank${rank}`]) ip('-n', name, 'link', 'set', device, 'up');
    }
    return true;
  } catch {
    unlink();
    return false;
  }
}

function unlink(): void {
  for (const name of names) {
    try {
      ip('netns', 'delete', name);
    } catch {
      // It was not made.
    }
  }
}

const isLinked = process.env.PADNET_LONG_TESTS === '1' && link();

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-cut-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'pad.yaml'), tinyRecipe('pad', { epochs: 12 }));
});
afterAll(() => {
  if (isLinked) unlink();
  rmSync(cwd, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  /** Seconds from the cut. */
  readonly seconds: number;
}

/** Trains on both sides of the link, which is cut when rank 0 has told of `cutAfter` steps. */
async function train(out: string, { cutAfter = Infinity, resume = false } = {}): Promise<Ended[]> {
  let cutAt = 0;
  let steps = 0;
  const ranks = names.map((name, rank) => {
    const parameters = ['train', 'pad.yaml', '--out', out, '--json', ...(resume ? ['--resume'] : [])];
    const child = spawn('ip', ['netns', 'exec', name, process.execPath, program, ...parameters], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...{ RANK: `${rank}`, WORLD_SIZE: '2', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1', OMP_NUM_THREADS: '1' },
        ...{ MASTER_ADDR: address(0), MASTER_PORT: '29511' },
      },
    });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    child.stdout.on('data', (text) => {
      steps += String(text).split('"type":"step"').length - 1;
      if (rank > 0 || cutAt > 0 || steps < cutAfter) return;
      ip('-n', names[1]!, 'link', 'set', 'rank1', 'down');
      cutAt = performance.now();
    });
    return new Promise<Ended>((resolve) => {
      child.on('close', (code) => {
        resolve({ code, stderr, seconds: (performance.now() - cutAt) / 1000 });
      });
    });
  });
  const ended = await Promise.all(ranks);
  if (cutAt > 0) ip('-n', names[1]!, 'link', 'set', 'rank1', 'up');
  return ended;
}

describe.skipIf(!isLinked)('ranks on two sides of a link (long, needs root and iproute2)', () => {
  it('all stop within seconds of its being cut, and end with the same bits once it is back', async () => {
    for (const { code, stderr } of await train('whole')) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });

    const cut = await train('cut', { cutAfter: 20 });
    for (const [rank, { code, stderr, seconds }] of cut.entries()) {
      expect(code).toBe(1);
      expect(seconds).toBeLessThan(5);
      expect(stderr).toContain(`rank ${1 - rank} is lost: it `);
      expect(stderr).toContain('or its machine or network is gone');
    }

    for (const { code } of await train('cut', { resume: true })) expect(code).toBe(0);
    const weights = (run: string): Buffer => readFileSync(join(cwd, run, 'model', 'model.safetensors'));
    expect(readdirSync(join(cwd, 'cut', 'model'))).toEqual(readdirSync(join(cwd, 'whole', 'model')));
    expect(weights('cut').equals(weights('whole'))).toBe(true);
  }, 120_000);
});
