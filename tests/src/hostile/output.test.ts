/** Output that fails: a full disk, a terminal that has gone, a reader that had enough. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { padnet, program, tinyRecipe, writePictures } from '../padnetProcess.js';

let cwd: string;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-output-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'static.yaml'), tinyRecipe('static', { epochs: 1 }));
  writeFileSync(join(cwd, 'long.yaml'), tinyRecipe('static', { epochs: 500 }));
  writeFileSync(join(cwd, 'ablation.yaml'), 'recipe: static.yaml\nsweeps: [{ training.momentum: [0.5, 0.9] }]\n');
  expect((await padnet(['train', 'static.yaml', '--out', 'run'], { cwd })).code).toBe(0);
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** The command in a shell, where `padnet` is it. */
function shell(script: string): { readonly code: number | null; readonly stdout: string; readonly stderr: string } {
  const whole = `padnet() { "$NODE" "$PROGRAM" "$@"; }\n${script}`;
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program };
  const { status: code, stdout, stderr } = spawnSync('bash', ['-c', whole], { cwd, env, encoding: 'utf8' });
  return { code, stdout, stderr };
}

const full = 'padnet: standard output could not be written: no space left on device\n';

describe('a full disk behind standard output', () => {
  it.each([
    'padnet --help',
    'padnet eval run --json',
    'padnet train static.yaml --dry-run',
    'padnet train long.yaml --out events --json',
    'padnet ablate ablation.yaml --out full --json',
  ])('%s: one line, code 1', (command) => {
    const { code, stderr } = shell(`${command} > /dev/full`);
    const said = stderr.replace(/^\[\d\/2\] training .*\n/gm, '');
    expect({ code, said }).toEqual({ code: 1, said: full });
  });

  it('does not cut a result off in silence', () => {
    // A limit on file sizes: the system writes what there is room for, and says so at the next try.
    const { code, stderr } = shell('ulimit -f 4; padnet inspect run --json > cut.json');
    expect(readFileSync(join(cwd, 'cut.json')).length).toBe(4096);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'padnet: standard output could not be written: files may not be that large here (see `ulimit -f`)\n',
    });
  });

  it('training goes on without its progress, and ends as ever', () => {
    const { code, stderr } = shell('padnet train static.yaml --out silent > /dev/full');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'padnet: progress is no longer shown: standard output could not be written: no space left on device\n',
    });
    const weights = (run: string): Buffer => readFileSync(join(cwd, run, 'model/model.safetensors'));
    expect(weights('silent').equals(weights('run'))).toBe(true);
  });

  it('neither errors nor remarks that cannot be told change how a command ends', () => {
    const codes = [
      'padnet inspect nothing 2> /dev/full',
      'padnet train --out x 2>&-',
      'padnet train static.yaml --out mute > /dev/full 2>&1',
      'padnet mask --help >&- 2>&-',
    ].map((command) => shell(command).code);
    expect(codes).toEqual([1, 2, 0, 0]);
  });
});

describe('a reader that had enough', () => {
  it.each(['', ' --json'])('stops a training after saving: code 141, and how to go on%s', (option) => {
    const run = `enough${option.trim()}`;
    const { code, stdout, stderr } = shell(
      `padnet train long.yaml --out ${run}${option} | head -n 1; exit $\{PIPESTATUS[0]}`,
    );
    expect(code).toBe(141);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(new RegExp(`^stopped at step \\d+, saved; resume with: padnet train --resume ${run}\n$`));
    expect(existsSync(join(cwd, run, 'checkpoints'))).toBe(true);
  });

  it('ends what only prints, with code 141 and without a word', () => {
    // `true` reads nothing: by the time there is something to print, it has gone.
    expect(shell('padnet inspect run | true; exit ${PIPESTATUS[0]}')).toEqual({ code: 141, stdout: '', stderr: '' });
  });
});

describe('a terminal that has gone', () => {
  it('does not end a training that is not its own', async () => {
    // In a session of its own, which gets no SIGHUP.
    const train = `"${process.execPath}" "${program}" train static.yaml --set training.epochs=30 --out alone`;
    const terminal = `setsid --wait sh -c '${train}; echo $? > code'`;
    const child = spawn('script', ['-qfc', terminal, '/dev/null'], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.on('data', (text: Buffer) => {
      if (text.includes('epoch 2/30')) child.kill('SIGKILL');
    });
    await vi.waitUntil(() => existsSync(join(cwd, 'code')), { timeout: 30_000, interval: 50 });
    expect(readFileSync(join(cwd, 'code'), 'utf8')).toBe('0\n');
    expect(existsSync(join(cwd, 'alone/model/model.json'))).toBe(true);
  });
});
