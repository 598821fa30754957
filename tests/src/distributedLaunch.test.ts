/** `padnet launch` with training: ranks that finish, and ranks that are lost, hang or are told to stop. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrainingEvent } from 'padnet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { padnet, program, tinyRecipe, writePictures, type Finished } from './padnetProcess.js';

const isLong = process.env.PADNET_LONG_TESTS === '1';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-ranks-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'pad.yaml'), tinyRecipe('pad'));
  // Until it is stopped.
  writeFileSync(join(cwd, 'endless.yaml'), tinyRecipe('static', { epochs: 100_000 }));
  // Its partition takes as long as the tests need.
  const rounds = tinyRecipe('pad', { epochs: 2 }).replace('rounds: 2\n  batches: 2', 'rounds: 500\n  batches: 6');
  writeFileSync(join(cwd, 'partition.yaml'), rounds);
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** One process of a rank. */
interface RankProcess {
  readonly pid: number;
  readonly rank: number;
  /** `padnet train`, or the process that trains for it. */
  readonly what: 'command' | 'training';
}

/** The processes of ranks below a process. */
function rankProcesses(parent: number): RankProcess[] {
  const text = (file: string): string => {
    try {
      return readFileSync(`/proc/${file}`, 'utf8');
    } catch {
      return ''; // it has ended
    }
  };
  const children = text(`${parent}/task/${parent}/children`).split(' ').filter(Boolean).map(Number);
  return children.flatMap((pid) => {
    const [, rank] = /(?:^|\0)RANK=(\d+)\0/.exec(text(`${pid}/environ`)) ?? [];
    const command = text(`${pid}/cmdline`);
    const what = command.includes('trainingProcess.js') ? 'training' : 'command';
    const isRank = rank !== undefined && (what === 'training' || command.includes('padnet'));
    return [...(isRank ? [{ pid, rank: Number(rank), what } as const] : []), ...rankProcesses(pid)];
  });
}

/** Whether it runs, or is stopped: not what has ended and nobody has asked about yet. */
function isLiving(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** How processes ended after something was done. */
interface Ends {
  /** Those of all ranks. */
  readonly processes: readonly RankProcess[];
  /** Seconds from `act` to the end of each of them that ended before launch did; in their order. */
  readonly endedAfter: readonly number[];
  /** Seconds from `act` to the end of launch. */
  readonly seconds: number;
}

interface Watched extends Finished, Ends {
  readonly events: readonly TrainingEvent[];
}

interface Act {
  readonly recipe?: string;
  readonly out: string;
  readonly nproc?: number;
  /** At the first event of which this is true. */
  readonly when?: (event: TrainingEvent) => boolean;
  readonly act: (processes: readonly RankProcess[], launch: ChildProcess) => void;
}

/** Launches ranks, does something once they train, and watches how they end. */
async function launchAnd(options: Act): Promise<Watched> {
  const { recipe = 'endless.yaml', out, nproc = 2, act } = options;
  const { when = (event: TrainingEvent) => event.type === 'step' && event.step === 8 } = options;
  const events: TrainingEvent[] = [];
  const watched: Promise<Ends>[] = [];
  const watch = async (launch: ChildProcess): Promise<Ends> => {
    const processes = rankProcesses(launch.pid!);
    const start = performance.now();
    const seconds = (): number => (performance.now() - start) / 1000;
    const endedAfter = processes.map(() => Infinity);
    act(processes, launch);
    for (;;) {
      const isOver = !isLiving(launch.pid!);
      for (const [index, { pid }] of processes.entries())
        if (endedAfter[index] === Infinity && !isLiving(pid)) endedAfter[index] = seconds();
      if (isOver) return { processes, endedAfter, seconds: seconds() };
      await sleep(20);
    }
  };
  const finished = await padnet(['launch', '--nproc', String(nproc), '--', 'train', recipe, '--out', out, '--json'], {
    cwd,
    onLine: (line, child) => {
      const event = JSON.parse(line) as TrainingEvent;
      events.push(event);
      if (watched.length === 0 && when(event)) watched.push(watch(child));
    },
  });
  const [ends] = watched;
  if (ends === undefined) throw new Error(`it ended before anything was done: ${finished.stderr}`);
  return { ...finished, ...(await ends), events };
}

const pidOf = (processes: readonly RankProcess[], rank: number, what: RankProcess['what']): number =>
  processes.find((each) => each.rank === rank && each.what === what)!.pid;

/** Sends a signal to a process of a rank. */
const signal =
  (name: NodeJS.Signals, rank: number, what: RankProcess['what']): Act['act'] =>
  (processes) => {
    process.kill(pidOf(processes, rank, what), name);
  };

/** Five seconds for ranks to notice, and what a machine adds that has two cores for all tests. */
const soon = 8;

const lastLine = ({ stderr }: Finished): string => stderr.trimEnd().split('\n').at(-1)!;
const eventsOf = (run: string): TrainingEvent[] =>
  readFileSync(join(cwd, run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainingEvent);

describe('two ranks', () => {
  it('train one network, told of by rank 0 alone, as one process does', { timeout: 120_000 }, async () => {
    const run = ['train', 'pad.yaml', '--json'];
    const two = await padnet(['launch', '--nproc', '2', '--', ...run, '--out', 'runs/two'], { cwd });
    expect({ code: two.code, stderr: two.stderr }).toEqual({ code: 0, stderr: '' });
    const events = two.stdout.trimEnd().split('\n');
    const told = events.map((line) => JSON.parse(line) as TrainingEvent);
    expect(told.filter(({ type }) => type !== 'checkpoint')).toEqual(eventsOf('runs/two'));
    const one = await padnet(['launch', '--nproc', '1', '--', ...run, '--out', 'runs/one'], { cwd });
    expect({ code: one.code, stderr: one.stderr }).toEqual({ code: 0, stderr: '' });
    const losses = (name: string): number[] =>
      eventsOf(name).flatMap((event) => (event.type === 'step' ? [event.loss] : []));
    expect(losses('runs/two')).toHaveLength(12);
    // Statistics of batch norm differ, of 8 pictures instead of 16.
    expect(losses('runs/two')[0]).toBeCloseTo(losses('runs/one')[0]!, 0);
    const types = (name: string): string[] => eventsOf(name).map(({ type }) => type);
    expect(types('runs/two')).toEqual(types('runs/one'));
  });

  it('stop where one is lost, naming it', { timeout: 60_000 }, async () => {
    const ended = await launchAnd({ out: 'runs/lost', act: signal('SIGKILL', 1, 'training') });
    expect(ended.code).toBe(1);
    expect(ended.processes).toHaveLength(4);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(soon);
    expect(ended.stderr).toMatch(/^(padnet: )?rank 1 is lost: /m);
    expect(ended.stderr).toMatch(/^rank 1: padnet: the training process ended unexpectedly \(SIGKILL\)$/m);
    expect(lastLine(ended)).toBe('padnet: ranks 0, 1 ended with exit code 1');
  });

  it('save on SIGTERM, and one process goes on', { timeout: 120_000 }, async () => {
    const ended = await launchAnd({
      out: 'runs/stopped',
      act: (_, launch) => {
        launch.kill('SIGTERM');
      },
    });
    expect(ended.code).toBe(143);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(soon);
    const [, step] = /^stopped at step (\d+), saved; resume with: (.*)$/m.exec(ended.stderr)!;
    expect(ended.stderr).toBe(
      '\nSIGTERM: finishing this step; once more to exit at once\n' +
        `stopped at step ${step}, saved; resume with: padnet launch --nproc 2 -- train --resume runs/stopped\n`,
    );
    expect(ended.events.at(-1)).toMatchObject({ type: 'interrupted', step: Number(step) });
    const { code, stdout } = await padnet(['train', '--resume', 'runs/stopped', '--json', '--allow-changes'], {
      cwd,
      onLine: (line, child) => {
        if (line.includes('"type":"step"')) child.kill('SIGTERM');
      },
    });
    expect(code).toBe(143);
    const steps = stdout.split('\n').filter((line) => line.includes('"type":"step"'));
    expect(JSON.parse(steps[0]!)).toMatchObject({ step: Number(step) + 1 });
  });
});

describe.runIf(isLong)('ranks', { timeout: 120_000 }, () => {
  it.each([0, 1])('train where the partition leaves layers without a part: ratio %i', async (ratio) => {
    writeFileSync(join(cwd, 'whole.yaml'), tinyRecipe('pad').replace('ratio: 0.3', `ratio: ${ratio}`));
    const out = `runs/ratio-${ratio}`;
    const run = ['launch', '--nproc', '2', '--', 'train', 'whole.yaml', '--out', out, '--json'];
    const { code, stderr } = await padnet(run, { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(eventsOf(out).at(-1)!.type).toBe('finished');
  });

  it.each(['command', 'training'] as const)('stop where the %s of rank 0 is killed', async (what) => {
    const ended = await launchAnd({ out: `runs/zero-${what}`, act: signal('SIGKILL', 0, what) });
    expect(ended.code).toBe(1);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(soon);
    expect(lastLine(ended)).toMatch(
      what === 'command' ? /^padnet: rank 0 was ended by SIGKILL/ : /^padnet: ranks 0, 1 ended with exit code 1$/,
    );
    if (what === 'training') expect(ended.stderr).toMatch(/rank 0 is lost/);
  });

  it('stop and save where the command of another rank is killed', async () => {
    const ended = await launchAnd({ out: 'runs/command', act: signal('SIGKILL', 1, 'command') });
    expect(ended.code).toBe(1);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(soon);
    expect(lastLine(ended)).toBe('padnet: rank 1 was ended by SIGKILL');
  });

  it.each([0, 1])('stop where rank %i hangs, which is then killed', async (rank) => {
    const ended = await launchAnd({ out: `runs/hang-${rank}`, act: signal('SIGSTOP', rank, 'training') });
    expect(ended.code).toBe(1);
    const others = ended.processes.flatMap((each, index) => (each.rank === rank ? [] : [ended.endedAfter[index]!]));
    expect(others).toHaveLength(2);
    expect(Math.max(...others)).toBeLessThan(soon);
    expect(ended.stderr).toMatch(new RegExp(`rank ${rank} is lost`));
    expect(lastLine(ended)).toBe(
      `padnet: rank ${1 - rank} ended with exit code 1; rank ${rank} did not end within 10 s: killed`,
    );
    expect(ended.processes.filter(({ pid }) => isLiving(pid))).toEqual([]);
  });

  it('are three as well', async () => {
    const ended = await launchAnd({ out: 'runs/three', nproc: 3, act: signal('SIGKILL', 2, 'training') });
    expect(ended.code).toBe(1);
    expect(ended.processes).toHaveLength(6);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(soon);
    expect(ended.stderr).toMatch(/rank 2 is lost/);
    expect(ended.stderr.match(/rank 2 is lost/g)).toHaveLength(1);
    expect(lastLine(ended)).toBe('padnet: ranks 0, 1, 2 ended with exit code 1');
  });

  it('stop where one is killed during the partition', async () => {
    const ended = await launchAnd({
      recipe: 'partition.yaml',
      out: 'runs/partition',
      when: ({ type }) => type === 'epoch', // the partition follows
      act: (...given) => {
        setTimeout(() => {
          signal('SIGKILL', 1, 'training')(...given);
        }, 1000);
      },
    });
    expect(ended.code).toBe(1);
    expect(Math.max(...ended.endedAfter)).toBeLessThan(1 + soon);
    expect(ended.stderr).toMatch(/rank 1 is lost/);
    expect(ended.events.map(({ type }) => type)).not.toContain('partition');
  });

  it.each(['SIGINT', 'SIGHUP'] as const)('save on %s', async (name) => {
    const ended = await launchAnd({
      out: `runs/${name}`,
      act: (_, launch) => {
        launch.kill(name);
      },
    });
    expect(ended.code).toBe(name === 'SIGINT' ? 130 : 129);
    expect(ended.events.at(-1)).toMatchObject({ type: 'interrupted' });
  });

  it('end at once on the second signal', async () => {
    const ended = await launchAnd({
      out: 'runs/twice',
      // The first cannot be answered.
      act: (processes, launch) => {
        process.kill(pidOf(processes, 1, 'training'), 'SIGSTOP');
        launch.kill('SIGINT');
        setTimeout(() => launch.kill('SIGINT'), 300);
      },
    });
    expect(ended.code).toBe(130);
    expect(ended.seconds).toBeLessThan(2);
    expect(ended.processes.filter(({ pid }) => isLiving(pid))).toEqual([]);
  });

  it('save and end where launch is killed', async () => {
    const ended = await launchAnd({
      out: 'runs/alone',
      act: (_, launch) => {
        launch.kill('SIGKILL');
      },
    });
    expect(ended.code).toBeNull();
    const end = performance.now() + 1000 * soon;
    const left = (): RankProcess[] => ended.processes.filter(({ pid }) => isLiving(pid));
    while (left().length > 0 && performance.now() < end) await sleep(50);
    expect(left()).toEqual([]);
    expect(eventsOf('runs/alone').at(-1)!.type).toBe('step');
    expect(existsSync(join(cwd, 'runs/alone/checkpoints'))).toBe(true);
  });

  it('save where the reader of rank 0 has gone', () => {
    const command = `'${process.execPath}' '${program}' launch --nproc 2 -- train endless.yaml --out runs/head --json`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `(${command}; echo "code $?" >&2) | head -n 1`], {
      cwd,
      encoding: 'utf8',
    });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^stopped at step \d+, saved; resume with: .*\ncode 141\n$/);
  });
});

/** A torchrun: of a path, or the module of a Python whose torch lies in a folder. */
const torchruns = [
  ['PADNET_TORCHRUN', process.env.PADNET_TORCHRUN?.split(' ')],
  ['torchrun on the PATH', spawnSync('torchrun', ['--help']).status === 0 ? ['torchrun'] : undefined],
] as const;

describe.runIf(isLong).each(torchruns)('%s', { timeout: 180_000 }, (_name, command) => {
  it.runIf(command !== undefined)('starts the ranks anew where one is lost, and they finish', async () => {
    const out = `runs/torchrun-${torchruns.findIndex(([, each]) => each === command)}`;
    writeFileSync(join(cwd, 'ten.yaml'), tinyRecipe('pad', { epochs: 10 }));
    const [file, ...first] = command!;
    const train = [process.execPath, program, 'train', 'ten.yaml', '--out', out];
    const child = spawn(
      file!,
      [...first, '--no_python', '--nproc_per_node', '2', '--max_restarts', '1', '--master_port', '29713', ...train],
      { cwd, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    let isKilled = false;
    const onText = (text: string): void => {
      output += text;
      if (isKilled || !output.includes('epoch 4/10')) return;
      isKilled = true;
      process.kill(pidOf(rankProcesses(child.pid!), 1, 'training'), 'SIGKILL');
    };
    child.stdout.setEncoding('utf8').on('data', onText);
    child.stderr.setEncoding('utf8').on('data', onText);
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, isKilled }, output).toEqual({ code: 0, isKilled: true });
    const steps = eventsOf(out).flatMap((event) => (event.type === 'step' ? [event.step] : []));
    expect(steps).toEqual(Array.from({ length: 60 }, (_, step) => step + 1));
    expect(eventsOf(out).at(-1)!.type).toBe('finished');
  });
});
