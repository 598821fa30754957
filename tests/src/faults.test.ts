/** Faults around a run: processes that are killed at any moment, disks that are full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { killAll, padnet, tinyRecipe, writePictures, type Finished } from './padnetProcess.js';

const isLong = process.env.PADNET_LONG_TESTS === '1';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-faults-'));
  writePictures(join(cwd, 'pictures'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** Every file of a run but those with dates and times: by path, its bytes. */
function results(run: string): Record<string, string> {
  const names = readdirSync(join(cwd, run), { recursive: true, encoding: 'utf8' }).sort();
  const kept = names.filter((name) => statSync(join(cwd, run, name)).isFile());
  return Object.fromEntries(
    kept.map((name) => {
      const bytes = readFileSync(join(cwd, run, name));
      if (name.endsWith('.jsonl')) return [name, bytes.toString().replaceAll(timings, '')];
      if (name === 'environment.json' || /checkpoints\/.*\.json$/.test(name)) return [name, ''];
      return [name, bytes.toString('hex')];
    }),
  );
}

const timings = /,"(?:seconds|samplesPerSecond|stepSeconds|waitSeconds|trainingSeconds|peakMemoryBytes)":[0-9.e+-]+/g;

/** xorshift: the same numbers from 0 to 1 in every run of the test. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

describe('SIGKILL', () => {
  const kills = isLong ? 20 : 3;
  const epochs = isLong ? 16 : 4;

  it(
    `at ${kills} random moments and in the end: resumed each time, the run is that of one never interrupted`,
    { timeout: kills * 30_000 },
    async () => {
      const recipe = tinyRecipe('pad', { epochs }) + '  epoch: 2\n';
      writeFileSync(
        join(cwd, 'pad.yaml'),
        recipe.replace('learningRate', 'mixup: 0.2\n  checkpointSteps: 3\n  learningRate'),
      );
      expect((await padnet(['train', 'pad.yaml', '--out', 'whole'], { cwd })).code).toBe(0);

      const next = random(20221105);
      const train = ['train', 'pad.yaml', '--out', 'killed', '--resume', '--json'];
      /** Killed so many milliseconds after a line of its output, or after its start. */
      const killed = (isMoment: (line: string) => boolean, wait: number, fromStart = false): Promise<Finished> => {
        let counting = false;
        return padnet(train, {
          cwd,
          ownGroup: true,
          onLine: (line, child) => {
            if (counting || !isMoment(line)) return;
            counting = true;
            setTimeout(() => {
              killAll(child, 'SIGKILL');
            }, wait);
          },
          ...(fromStart && {
            onStart: (child) =>
              setTimeout(() => {
                killAll(child, 'SIGKILL');
              }, wait),
          }),
        });
      };
      for (let kill = 0; kill < kills; kill++) {
        // A session of 3 steps or more leaves a checkpoint behind; there are 6 steps and more lines in an epoch.
        let lines = 1 + Math.floor(5 * next());
        const wait = 20 * next();
        const session = kill % 5 === 4 ? killed(() => false, 1200 * next(), true) : killed(() => --lines === 0, wait);
        expect((await session).code, `kill ${kill + 1}`).toBeNull();
      }
      const last = await killed((line) => line.includes(`"type":"epoch","epoch":${epochs},`), 30 * next());
      expect(last.stderr).toBe('');

      const { code, stderr, stdout } = await padnet(train, { cwd });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('"type":"finished"');
      const [got, wanted] = [results('killed'), results('whole')];
      expect(Object.keys(got)).toEqual(Object.keys(wanted));
      for (const name of Object.keys(wanted)) expect(got[name] === wanted[name], name).toBe(true);
      expect(got['metrics.jsonl']).toBe(wanted['metrics.jsonl']);
    },
  );
});

it('a command that is killed alone leaves its training time to save', async () => {
  writeFileSync(join(cwd, 'alone.yaml'), tinyRecipe('static', { epochs: 50 }));
  let steps = 0;
  const killed = await padnet(['train', 'alone.yaml', '--out', 'alone', '--json'], {
    cwd,
    onLine: (line, child) => {
      if (line.includes('"type":"step"') && ++steps === 3) child.kill('SIGKILL');
    },
  });
  expect(killed).toMatchObject({ code: null, stderr: '' });
  expect(readdirSync(join(cwd, 'alone/checkpoints')).some((name) => name.startsWith('step-'))).toBe(true);
  const resume = ['train', 'alone.yaml', '--out', 'alone', '--resume', '--allow-changes'];
  expect(await padnet([...resume, '--set', 'training.epochs=8'], { cwd })).toMatchObject({ code: 0, stderr: '' });
});

describe('a full disk', () => {
  const mounts: string[] = [];
  const mount = (folder: string, options: string): void => {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
    if (!options.includes('remount')) mounts.push(folder);
  };
  const unmount = (folder: string): void => {
    execFileSync('umount', [folder], { stdio: 'ignore' });
  };

  /** Only root may, and not in every container. */
  function canMount(): boolean {
    const folder = mkdtempSync(join(tmpdir(), 'padnet-mount-'));
    try {
      mount(folder, 'size=1m');
      unmount(mounts.pop()!);
      return true;
    } catch {
      return false;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  afterAll(() => {
    mounts.forEach(unmount);
  });

  it.skipIf(!canMount())(
    'leaves the previous checkpoint valid, and the error names the file; with room again, the run goes on',
    async () => {
      writeFileSync(join(cwd, 'static.yaml'), tinyRecipe('static', { epochs: 3 }));
      expect((await padnet(['train', 'static.yaml', '--out', 'roomy'], { cwd })).code).toBe(0);
      const wanted = results('roomy');
      const [checkpoint] = Object.keys(wanted).filter((name) => /checkpoints\/.*\.safetensors$/.test(name));
      const bytes = wanted[checkpoint!]!.length / 2;

      // Room for one checkpoint and a half.
      const disk = join(cwd, 'disk');
      mount(disk, `size=${Math.round(1.5 * bytes) + 2 ** 16}`);
      const parameters = ['train', 'static.yaml', '--out', 'disk/run', '--resume', '--json'];
      const failed = await padnet(parameters, { cwd });
      expect(failed.code).toBe(1);
      expect(failed.stderr).toBe(
        'padnet: disk/run/checkpoints/step-0000012-00000014.safetensors could not be written: no space left on ' +
          'device; what was there before is kept\n',
      );
      const kept = ['start.json', 'step-0000006-00000007.json', 'step-0000006-00000007.safetensors'];
      expect(readdirSync(join(disk, 'run/checkpoints')).sort()).toEqual(kept);

      // No room at all: nothing can be written, and nothing is lost.
      const before = results('disk/run');
      execFileSync('sh', ['-c', 'cat /dev/zero > disk/ballast || true'], { cwd, stdio: 'ignore' });
      const full = await padnet(parameters, { cwd });
      expect(full.code).toBe(1);
      expect(full.stderr).toMatch(
        /^padnet: disk\/run\/metrics\.jsonl could not be written: no space left on device; .*\n$/,
      );
      rmSync(join(disk, 'ballast'));
      expect(results('disk/run')).toEqual(before);

      mount(disk, 'remount,size=64m');
      expect(await padnet(parameters, { cwd })).toMatchObject({ code: 0, stderr: '' });
      expect(results('disk/run')).toEqual(wanted);
    },
  );
});
