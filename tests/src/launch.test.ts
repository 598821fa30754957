/** `padnet launch` where nothing is trained, and commands that are started as ranks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { padnet, type Finished } from './padnetProcess.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-launch-'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** In this process. */
function run(parameters: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return runCommand(parameters, { cwd });
}

const launch = (parameters: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> =>
  padnet(['launch', ...parameters], { cwd, env });

describe('padnet launch', () => {
  it('has an example', async () => {
    const { code, stdout, stderr } = await run(['launch', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('\nExamples:\n  $ padnet launch --nproc 2 -- train recipes/fashion-mnist/pad30.yaml');
  });

  it('passes the output of rank 0 through, once', async () => {
    const { code, stdout, stderr } = await launch(['--nproc', '2', '--', 'train', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/Usage: padnet train/g)).toHaveLength(1);
  });

  it('says once what all ranks say, and then how they ended', async () => {
    const { code, stdout, stderr } = await launch(['--nproc', '2', '--', 'train', 'missing.yaml']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'padnet: missing.yaml: expected a recipe, but there is no such file\npadnet: ranks 0, 1 ended with exit code 1\n',
    );
  });

  it('is simply the command for one rank', async () => {
    const { code, stderr } = await launch(['--nproc', '1', '--', 'train', 'missing.yaml']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'padnet: missing.yaml: expected a recipe, but there is no such file\n',
    });
  });

  it.each<[what: string, parameters: readonly string[], env: Record<string, string>, message: RegExp]>([
    ['without a number of ranks', ['--', 'train'], {}, /required option '--nproc <number>' not specified/],
    ['for no rank', ['--nproc', '0', '--', 'train'], {}, /Expected a whole number of at least 1/],
    ['without a command', ['--nproc', '2'], {}, /missing required argument 'command'/],
    ['without dashes', ['--nproc', '2', 'train', '--json'], {}, /'--json'\nwhat train is given comes after `--`/],
    [
      'of another command',
      ['--nproc', '2', '--', 'glue'],
      {},
      /^padnet: launch: expected `train` after `--`, got glue: other commands are for one process\n$/,
    ],
    [
      'in ranks of torchrun',
      ['--nproc', '2', '--', 'train'],
      { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '9' },
      /^padnet: launch starts the ranks of this machine itself, and this is process 1 of 2 on it; start `padnet train`/,
    ],
    [
      'with a wrong variable',
      ['--nproc', '2', '--', 'train'],
      { PET_NNODES: '2', PET_NODE_RANK: '2', PET_MASTER_ADDR: 'a', PET_MASTER_PORT: '9' },
      /^padnet: PET_NODE_RANK=2: expected a whole number from 0 to 1, since PET_NNODES=2\n$/,
    ],
  ])('is refused %s', async (_what, parameters, env, message) => {
    const { code, stdout, stderr } = await run(['launch', ...parameters], env);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(code).toBe(stderr.includes('PET_') ? 1 : 2);
  });

  it('shows with its number what a rank of another machine than that of rank 0 says', async () => {
    const node = { PET_NNODES: '2', PET_NODE_RANK: '1', PET_MASTER_ADDR: '127.0.0.1', PET_MASTER_PORT: '9' };
    const { code, stdout, stderr } = await launch(['--nproc', '2', '--', 'train', 'missing.yaml'], node);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^rank [23]: padnet: missing.yaml: expected a recipe, .*\npadnet: ranks 2, 3 ended with exit code 1\n$/,
    );
  });
});

describe('started as a rank', () => {
  const rank = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '9' };

  it.each([
    ['glue', []],
    ['ablate', ['ablation.yaml']],
    ['partition', ['run', '--ratio', '0.5']],
    ['eval', ['run']],
    ['convert', ['run', '--out', 'folder']],
    ['compact', ['run', '--out', 'file']],
    ['export', ['run', '--out', 'folder']],
    ['compare', ['run']],
    ['calibrate', []],
  ] as const)('%s, which writes, is refused', async (command, parameters) => {
    const { code, stdout, stderr } = await run([command, ...parameters], rank);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr:
        `padnet: ${command} is for one process, and this is rank 1 of 2: each would write the same files; ` +
        'start it without torchrun, srun or `padnet launch`\n',
    });
  });

  it('a command that only reads is not', async () => {
    const { code, stderr } = await run(['inspect', 'missing'], rank);
    expect(code).toBe(1);
    expect(stderr).not.toContain('for one process');
  });
});
