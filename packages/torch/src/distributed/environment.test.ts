import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeEnvironment, rankEnvironment } from './environment.js';

const torchrun = {
  RANK: '5',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '4',
  MASTER_ADDR: 'node03',
  MASTER_PORT: '29500',
};

/** What srun sets for the sixth of eight tasks, two a machine. */
const slurm = {
  SLURM_JOB_ID: '1234567',
  SLURM_STEP_ID: '0',
  SLURM_PROCID: '5',
  SLURM_LOCALID: '1',
  SLURM_NTASKS: '8',
  SLURM_STEP_NUM_TASKS: '8',
  SLURM_STEP_NODELIST: 'node[03-05,9]',
  SLURM_JOB_NODELIST: 'node[01-05,9]',
};

const kubeflow = {
  PET_NNODES: '3',
  PET_NODE_RANK: '2',
  PET_NPROC_PER_NODE: '1',
  PET_MASTER_ADDR: 'bert-node-0-0.bert',
  PET_MASTER_PORT: '29500',
};

describe('rankEnvironment', () => {
  it('reads what torchrun sets', () => {
    const elastic = { TORCHELASTIC_RUN_ID: 'job-7', TORCHELASTIC_RESTART_COUNT: '2' };
    expect(rankEnvironment({ ...torchrun, ...elastic })).toEqual({
      rank: 5,
      size: 8,
      localRank: 1,
      localSize: 4,
      host: 'node03',
      port: 29500,
      restarts: 2,
    });
  });

  it("leaves the port to torchrun's agent where that listens there", () => {
    const port = (env: NodeJS.ProcessEnv): number => rankEnvironment({ ...torchrun, ...env })!.port;
    expect(port({ TORCHELASTIC_USE_AGENT_STORE: 'True' })).toBe(29501);
    expect(port({ TORCHELASTIC_USE_AGENT_STORE: 'False' })).toBe(29500);
    expect(port({ TORCHELASTIC_USE_AGENT_STORE: 'True', PADNET_MASTER_PORT: '4000' })).toBe(4000);
    expect(port({ PADNET_MASTER_PORT: '4000', MASTER_PORT: '' })).toBe(4000);
    expect(() => port({ TORCHELASTIC_USE_AGENT_STORE: 'True', MASTER_PORT: '65535' })).toThrow(
      /^MASTER_PORT=65535: torchrun listens there, .* expected at most 65534, or PADNET_MASTER_PORT$/,
    );
  });

  it('reads what PyTorchJob sets, which names no local rank', () => {
    const { RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = torchrun;
    const job = { RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, PET_NPROC_PER_NODE: 'auto', PET_NNODES: '8' };
    expect(rankEnvironment(job)).toMatchObject({ rank: 5, size: 8, localRank: 0, localSize: null });
    expect(() => rankEnvironment({ ...job, PET_NPROC_PER_NODE: '4' })).toThrow(
      'PET_NPROC_PER_NODE=4: expected 1 process in each pod; start `padnet launch --nproc 4 -- train …` in it for 4',
    );
    // torchrun within the pod has started that many.
    expect(rankEnvironment({ ...torchrun, ...kubeflow, PET_NPROC_PER_NODE: '4' })).toMatchObject({ rank: 5, size: 8 });
  });

  it("reads a step of Slurm's srun", () => {
    expect(rankEnvironment(slurm)).toEqual({
      rank: 5,
      size: 8,
      localRank: 1,
      localSize: null,
      host: 'node03',
      port: 24567,
      restarts: 0,
    });
    const master = { MASTER_ADDR: '10.0.0.3', MASTER_PORT: '29400' };
    expect(rankEnvironment({ ...slurm, ...master })).toMatchObject({ host: '10.0.0.3', port: 29400 });
  });

  it('counts the tasks of the step, not those of the job', () => {
    expect(rankEnvironment({ ...slurm, SLURM_STEP_NUM_TASKS: '6' })!.size).toBe(6);
    expect(rankEnvironment({ ...slurm, SLURM_STEP_NUM_TASKS: undefined })!.size).toBe(8);
  });

  it.each([
    ['in a batch script', { SLURM_STEP_ID: undefined }],
    ['in a batch step that has a name', { SLURM_STEP_ID: 'batch' }],
    ["in salloc's shell, a step of its own", { SLURM_STEP_ID: '4294967290' }],
    ['in a step of one task', { SLURM_STEP_NUM_TASKS: '1', SLURM_PROCID: '0' }],
  ])('is null %s', (_where, changed) => {
    expect(rankEnvironment({ ...slurm, ...changed })).toBeNull();
  });

  it.each([
    ['node[03-07,9]', 'node03'],
    ['node[9,03-07],other', 'node9'],
    ['a1,b2', 'a1'],
    ['single', 'single'],
    ['rack[1-2]node[01-04]-ib', 'rack1node01-ib'],
    ['gpu-a.cluster.org,gpu-b.cluster.org', 'gpu-a.cluster.org'],
  ])('finds the first machine of %s', (list, first) => {
    expect(rankEnvironment({ ...slurm, SLURM_STEP_NODELIST: list })!.host).toBe(first);
    expect(rankEnvironment({ ...slurm, SLURM_STEP_NODELIST: undefined, SLURM_JOB_NODELIST: list })!.host).toBe(first);
  });

  it('finds the first machine of any list as it is written out', () => {
    const number = fc.tuple(fc.nat(999), fc.integer({ min: 1, max: 4 }));
    const written = number.map(([value, width]) => String(value).padStart(width, '0'));
    const range = fc.tuple(written, fc.option(written)).map(([low, high]) => (high ? `${low}-${high}` : low));
    const text = fc.stringMatching(/^[a-z][a-z.-]{0,5}$/);
    const ranges = fc.array(range, { minLength: 1, maxLength: 3 });
    const part = fc.tuple(text, ranges);
    const machine = fc.array(part, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(fc.array(machine, { minLength: 1, maxLength: 3 }), (machines) => {
        const list = machines.map((parts) => parts.map(([name, each]) => `${name}[${each.join(',')}]`).join(''));
        const first = machines[0]!.map(([name, [low]]) => name + low!.split('-')[0]!).join('');
        expect(rankEnvironment({ ...slurm, SLURM_STEP_NODELIST: list.join(',') })!.host).toBe(first);
      }),
    );
  });

  it('reads a pod of Kubeflow Trainer', () => {
    expect(rankEnvironment(kubeflow)).toEqual({
      rank: 2,
      size: 3,
      localRank: 0,
      localSize: 1,
      host: 'bert-node-0-0.bert',
      port: 29500,
      restarts: 0,
    });
    expect(() => rankEnvironment({ ...kubeflow, PET_NPROC_PER_NODE: '2' })).toThrow('padnet launch --nproc 2');
    expect(() => rankEnvironment({ ...kubeflow, PET_NNODES: '1:4' })).toThrow(
      'PET_NNODES=1:4: expected a whole number of at least 1',
    );
  });

  it('takes torchrun before Slurm, and Slurm before Kubeflow', () => {
    expect(rankEnvironment({ ...kubeflow, ...slurm, ...torchrun })).toMatchObject({ localSize: 4, port: 29500 });
    expect(rankEnvironment({ ...kubeflow, ...slurm })).toMatchObject({ rank: 5 });
  });

  it.each<[what: string, env: NodeJS.ProcessEnv]>([
    ['nothing is set', {}],
    ['the size is 1, whatever else is missing', { RANK: '0', WORLD_SIZE: '1' }],
    ['the size alone is set, to 1', { WORLD_SIZE: '1' }],
    ['there is one pod', { PET_NNODES: '1', PET_NODE_RANK: '0' }],
    ['variables are empty', { RANK: '', WORLD_SIZE: '', PET_NNODES: '' }],
    ['only the meeting place is said', { MASTER_ADDR: 'node03', MASTER_PORT: '29500' }],
  ])('is null where %s', (_what, env) => {
    expect(rankEnvironment(env)).toBeNull();
  });

  it.each<[changed: NodeJS.ProcessEnv, message: string]>([
    [{ RANK: '8' }, 'RANK=8: expected a whole number from 0 to 7, since WORLD_SIZE=8'],
    [{ RANK: 'abc' }, 'RANK=abc: expected a whole number from 0 to 7, since WORLD_SIZE=8'],
    [{ RANK: '-1' }, 'RANK=-1: expected a whole number from 0 to 7, since WORLD_SIZE=8'],
    [{ RANK: '1.5' }, 'RANK=1.5: expected a whole number from 0 to 7, since WORLD_SIZE=8'],
    [{ RANK: '0x1' }, 'RANK=0x1: expected a whole number from 0 to 7, since WORLD_SIZE=8'],
    [{ RANK: '1', WORLD_SIZE: '1' }, 'RANK=1: expected a whole number from 0 to 0, since WORLD_SIZE=1'],
    [{ RANK: undefined }, 'RANK is not set: expected a number from 0 to 7, since WORLD_SIZE=8'],
    [{ WORLD_SIZE: undefined }, 'WORLD_SIZE is not set: expected a whole number of at least 1'],
    [{ WORLD_SIZE: '0' }, 'WORLD_SIZE=0: expected a whole number of at least 1'],
    [{ WORLD_SIZE: '9'.repeat(20) }, `WORLD_SIZE=${'9'.repeat(20)}: expected a whole number of at least 1`],
    [{ LOCAL_RANK: '4' }, 'LOCAL_RANK=4: expected a whole number from 0 to 3, since LOCAL_WORLD_SIZE=4'],
    [
      { LOCAL_RANK: '8', LOCAL_WORLD_SIZE: '' },
      'LOCAL_RANK=8: expected a whole number from 0 to 7, since WORLD_SIZE=8',
    ],
    [{ LOCAL_WORLD_SIZE: '9' }, 'LOCAL_WORLD_SIZE=9: expected a whole number from 1 to 8, since WORLD_SIZE=8'],
    [{ MASTER_ADDR: undefined }, 'MASTER_ADDR is not set: expected the name or address of the machine of rank 0'],
    [{ MASTER_ADDR: 'a b' }, 'MASTER_ADDR="a b": expected the name or address of the machine of rank 0'],
    [
      { MASTER_PORT: '99999' },
      'MASTER_PORT=99999: expected a whole number from 1 to 65535, a port of the machine of rank 0',
    ],
    [
      { MASTER_PORT: '' },
      'MASTER_PORT is not set: expected a whole number from 1 to 65535, a port of the machine of rank 0',
    ],
    [
      { PADNET_MASTER_PORT: '0' },
      'PADNET_MASTER_PORT=0: expected a whole number from 1 to 65535, a port of the machine of rank 0',
    ],
    [{ TORCHELASTIC_RESTART_COUNT: 'x' }, 'TORCHELASTIC_RESTART_COUNT=x: expected a whole number of at least 0'],
  ])('refuses %o', (changed, message) => {
    expect(() => rankEnvironment({ ...torchrun, ...changed })).toThrow(new RangeError(message));
  });

  it.each<[changed: NodeJS.ProcessEnv, message: string]>([
    [{ SLURM_PROCID: '8' }, 'SLURM_PROCID=8: expected a whole number from 0 to 7, since SLURM_STEP_NUM_TASKS=8'],
    [
      { SLURM_LOCALID: '' },
      'SLURM_LOCALID is not set: expected a whole number from 0 to 7, since SLURM_STEP_NUM_TASKS=8',
    ],
    [
      { SLURM_STEP_NODELIST: 'node[03-' },
      'SLURM_STEP_NODELIST=node[03-: expected a list of machines such as node[03-07,9]',
    ],
    [
      { SLURM_STEP_NODELIST: '', SLURM_JOB_NODELIST: '' },
      "SLURM_JOB_NODELIST is not set: expected Slurm's list of machines, or MASTER_ADDR",
    ],
    [{ SLURM_JOB_ID: '' }, 'SLURM_JOB_ID is not set: expected a whole number of at least 0, or MASTER_PORT'],
  ])('refuses of Slurm %o', (changed, message) => {
    expect(() => rankEnvironment({ ...slurm, ...changed })).toThrow(new RangeError(message));
  });

  it('gives all ranks of a run the same meeting place', () => {
    const size = fc.integer({ min: 2, max: 64 });
    fc.assert(
      fc.property(size, fc.nat(10_000_000), (ranks, job) => {
        const found = Array.from({ length: ranks }, (_, rank) => {
          const env = { SLURM_PROCID: String(rank), SLURM_STEP_NUM_TASKS: String(ranks), SLURM_JOB_ID: String(job) };
          return rankEnvironment({ ...slurm, ...env })!;
        });
        expect(found.map(({ rank }) => rank)).toEqual(Array.from({ length: ranks }, (_, rank) => rank));
        expect(new Set(found.map(({ host, port }) => `${host} ${port}`)).size).toBe(1);
        expect(found[0]!.port).toBeGreaterThanOrEqual(20_000);
        expect(found[0]!.port).toBeLessThan(30_000);
      }),
    );
  });
});

describe('nodeEnvironment', () => {
  it('takes pods whose processes are still to be started', () => {
    expect(nodeEnvironment({ ...kubeflow, PET_NPROC_PER_NODE: '4' })).toMatchObject({ rank: 2, size: 3, port: 29500 });
    // PyTorchJob counts all processes in WORLD_SIZE.
    const job = { ...kubeflow, RANK: '2', WORLD_SIZE: '12', PET_NPROC_PER_NODE: '4' };
    expect(nodeEnvironment(job)).toMatchObject({ rank: 2, size: 3 });
  });

  it('takes a step of srun with a task on each machine', () => {
    const node = { SLURM_PROCID: '1', SLURM_LOCALID: '0', SLURM_STEP_NUM_TASKS: '4' };
    expect(nodeEnvironment({ ...slurm, ...node })).toMatchObject({ rank: 1, size: 4, localRank: 0 });
  });

  it('is null where there is one machine', () => {
    expect(nodeEnvironment({})).toBeNull();
    expect(nodeEnvironment({ PET_NNODES: '1', PET_NODE_RANK: '0', PET_NPROC_PER_NODE: '4' })).toBeNull();
  });
});
