/** `examples/cluster/`: what starts ranks there gives each the environment that it needs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeEnvironment, rankEnvironment, type RankEnvironment } from '@padnet/torch/distributed/environment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { root } from './projectFiles.js';

const folder = join(root, 'examples/cluster');
const environmentModule = join(root, 'packages/torch/dist/distributed/environment.js');

/** What the stand-in for padnet prints. */
interface Started {
  readonly ranks: RankEnvironment | null;
  readonly parameters: readonly string[];
  readonly threads: string;
}

describe('the scripts', () => {
  let cwd: string;

  const program = (name: string, code: string): void => {
    writeFileSync(join(cwd, name), `#!/usr/bin/env node\n${code}`, { mode: 0o755 });
  };

  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'padnet-cluster-'));
    mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
    mkdirSync(join(cwd, 'bin'));
    program(
      'node_modules/.bin/padnet',
      `import(${JSON.stringify(environmentModule)}).then(({ rankEnvironment }) => {
        const parameters = process.argv.slice(2);
        console.log(JSON.stringify({ ranks: rankEnvironment(), parameters, threads: process.env.OMP_NUM_THREADS }));
        process.exit(Number(process.env.CODE ?? 0));
      });`,
    );
    const start = `
      const { spawnSync } = require('node:child_process');
      const given = process.argv.slice(2);
      const run = (command, variables) => {
        const env = { ...process.env, ...variables };
        return spawnSync(command[0], command.slice(1), { stdio: 'inherit', env }).status;
      };`;
    // As torchrun with one machine's part of static ranks, whose agent has the store.
    program(
      'bin/torchrun',
      `${start}
      const options = {};
      while (given[0].startsWith('--')) {
        const name = given.shift();
        options[name] = name === '--no-python' ? true : given.shift();
      }
      const local = Number(options['--nproc_per_node']);
      for (let rank = 0; rank < local; rank++)
        run(given, {
          RANK: String(Number(options['--node_rank']) * local + rank),
          WORLD_SIZE: String(Number(options['--nnodes']) * local),
          LOCAL_RANK: String(rank),
          LOCAL_WORLD_SIZE: String(local),
          MASTER_ADDR: options['--master_addr'],
          MASTER_PORT: options['--master_port'],
          TORCHELASTIC_RUN_ID: 'none',
          TORCHELASTIC_RESTART_COUNT: '0',
          TORCHELASTIC_USE_AGENT_STORE: 'True',
        });`,
    );
    // As srun within the job that \`sbatch\` below makes: it returns the highest exit code.
    program(
      'bin/srun',
      `${start}
      while (given[0].startsWith('--')) given.shift();
      const tasks = Number(process.env.SLURM_NTASKS);
      const codes = Array.from({ length: tasks }, (_, task) =>
        run(given, {
          SLURM_STEP_ID: '0',
          SLURM_STEP_NUM_TASKS: String(tasks),
          SLURM_STEP_NODELIST: process.env.SLURM_JOB_NODELIST,
          SLURM_PROCID: String(task),
          SLURM_LOCALID: String(task % Number(process.env.SLURM_NTASKS_PER_NODE)),
        }));
      process.exit(Math.max(...codes));`,
    );
    program('bin/scontrol', "console.error('scontrol ' + process.argv.slice(2).join(' '))");
  });

  afterAll(() => {
    rmSync(cwd, { recursive: true, force: true });
  });

  const bash = (script: string, parameters: readonly string[], variables: Readonly<Record<string, string>> = {}) => {
    const env: NodeJS.ProcessEnv = { ...process.env, ...variables, PATH: `${join(cwd, 'bin')}:${process.env.PATH}` };
    delete env.OMP_NUM_THREADS;
    const { status, stdout, stderr } = spawnSync('bash', [join(folder, script), ...parameters], {
      cwd,
      env,
      encoding: 'utf8',
    });
    const lines = stdout.split('\n').filter((line) => line !== '');
    return { status, stderr, started: lines.map((line) => JSON.parse(line) as Started) };
  };

  /** The options that the script gives to sbatch. */
  const slurmOptions = (): Map<string, string> => {
    const text = readFileSync(join(folder, 'slurm.sbatch'), 'utf8');
    return new Map(Array.from(text.matchAll(/^#SBATCH --([\w-]+)(?:=(.*))?$/gm), ([, name, value]) => [name!, value!]));
  };

  const sbatch = (parameters: readonly string[], variables: Readonly<Record<string, string>> = {}) => {
    const options = slurmOptions();
    const [nodes, perNode] = [Number(options.get('nodes')), Number(options.get('ntasks-per-node'))];
    return bash('slurm.sbatch', parameters, {
      SLURM_JOB_ID: '4242',
      SLURM_JOB_NODELIST: `node[07-${String(6 + nodes).padStart(2, '0')}]`,
      SLURM_NTASKS: String(nodes * perNode),
      SLURM_NTASKS_PER_NODE: String(perNode),
      SLURM_CPUS_PER_TASK: options.get('cpus-per-task')!,
      SLURM_PROCID: '0', // a batch script is a task of its own
      ...variables,
    });
  };

  it.each(['torchrun.sh', 'slurm.sbatch'])('%s is correct, and asks for what is missing', (script) => {
    const { status, stderr } = spawnSync('bash', ['-n', join(folder, script)], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const missing = bash(script, ['recipe.yaml']);
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toMatch(/2: expected a folder for the run$/m);
  });

  it('torchrun.sh starts the ranks of one machine, which share its cores', () => {
    const { status, stderr, started } = bash('torchrun.sh', ['recipe.yaml', 'runs/a', '--set', 'training.epochs=1']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const others = { size: 2, localSize: 2, host: '127.0.0.1', port: 29501, restarts: 0 };
    expect(started.map(({ ranks }) => ranks)).toEqual([0, 1].map((rank) => ({ rank, localRank: rank, ...others })));
    for (const { parameters, threads } of started) {
      const rest = ['--set', 'training.epochs=1'];
      expect(parameters).toEqual(['train', 'recipe.yaml', '--out', 'runs/a', '--resume', ...rest]);
      expect(Number(threads)).toBe(Math.max(1, Math.floor(availableParallelism() / 2)));
    }
  });

  it('torchrun.sh starts the part of one of several machines', () => {
    const machine = { NNODES: '3', NODE_RANK: '2', NPROC: '1', MASTER_ADDR: '10.0.0.1', MASTER_PORT: '4000' };
    const { started } = bash('torchrun.sh', ['recipe.yaml', 'runs/a'], machine);
    expect(started.map(({ ranks }) => ranks)).toMatchObject([
      { rank: 2, size: 3, localRank: 0, localSize: 1, host: '10.0.0.1', port: 4001 },
    ]);
  });

  it('slurm.sbatch starts a rank on each machine, which meet at the first', () => {
    const { status, stderr, started } = sbatch(['recipe.yaml', 'runs/a']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const others = { size: 2, localRank: 0, localSize: null, host: 'node07', port: 24242, restarts: 0 };
    expect(started.map(({ ranks }) => ranks)).toEqual([0, 1].map((rank) => ({ rank, ...others })));
    for (const { parameters, threads } of started) {
      expect(parameters).toEqual(['train', 'recipe.yaml', '--out', 'runs/a', '--resume']);
      expect(threads).toBe(slurmOptions().get('cpus-per-task'));
    }
  });

  it('slurm.sbatch queues the job again where it was stopped for the time, and only there', () => {
    expect(sbatch(['recipe.yaml', 'runs/a'], { CODE: '143' })).toMatchObject({
      status: 143,
      stderr: 'scontrol requeue 4242\n',
    });
    expect(sbatch(['recipe.yaml', 'runs/a'], { CODE: '1' })).toMatchObject({ status: 1, stderr: '' });
  });
});

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
}

interface PodTemplate {
  readonly spec: { readonly subdomain?: string; readonly restartPolicy?: string; readonly containers: Container[] };
}

const documents = (file: string): unknown[] =>
  parseAllDocuments(readFileSync(join(folder, file), 'utf8'), { strict: true }).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as unknown;
  });

/** The variables of a container of pod `index`, as far as they are said here. */
function variables({ env }: Container, index: number): Record<string, string> {
  const said = env.flatMap(({ name, value, valueFrom }) => {
    if (value !== undefined) return [[name, value]];
    const isIndex =
      valueFrom?.fieldRef?.fieldPath === "metadata.annotations['batch.kubernetes.io/job-completion-index']";
    return isIndex ? [[name, String(index)]] : [];
  });
  return Object.fromEntries(said) as Record<string, string>;
}

const goesOn = ['/data/pad30.yaml', '--out', '/data/runs/pad30', '--resume'];

describe('the pods', () => {
  it('of an indexed Job meet at the first, by the name that the Service gives it', () => {
    const [service, job] = documents('job.yaml') as [
      { metadata: { name: string }; spec: { clusterIP: string; selector: Record<string, string> } },
      {
        metadata: { name: string };
        spec: { completionMode: string; completions: number; parallelism: number; template: PodTemplate };
      },
    ];
    const { completionMode, completions, parallelism, template } = job.spec;
    expect({ completionMode, parallelism }).toEqual({ completionMode: 'Indexed', parallelism: completions });
    expect(service.spec.clusterIP).toBe('None');
    expect(service.spec.selector).toEqual({ 'batch.kubernetes.io/job-name': job.metadata.name });
    expect(template.spec.subdomain).toBe(service.metadata.name);
    const [container] = template.spec.containers;
    expect(container!.command).toEqual(['node_modules/.bin/padnet', 'train', ...goesOn]);
    const found = Array.from({ length: completions }, (_, index) => rankEnvironment(variables(container!, index)));
    const host = `${job.metadata.name}-0.${service.metadata.name}`;
    expect(found).toMatchObject(
      Array.from({ length: completions }, (_, rank) => ({ rank, size: completions, localRank: 0, host, port: 29500 })),
    );
  });

  it('of a TrainJob get a rank each', () => {
    const [runtime, job] = documents('trainjob.yaml') as [
      {
        kind: string;
        metadata: { name: string };
        spec: { template: { spec: { replicatedJobs: { template: { spec: { template: PodTemplate } } }[] } } };
      },
      {
        metadata: { name: string };
        spec: {
          runtimeRef: { kind: string; name: string };
          trainer: { numNodes: number; numProcPerNode: number; command: string[]; args: string[] };
        };
      },
    ];
    const { runtimeRef, trainer } = job.spec;
    expect({ kind: runtime.kind, name: runtime.metadata.name }).toMatchObject({
      kind: runtimeRef.kind,
      name: runtimeRef.name,
    });
    expect(runtime.spec.template.spec.replicatedJobs[0]!.template.spec.template.spec.containers[0]!.name).toBe('node');
    expect([...trainer.command, ...trainer.args]).toEqual(['node_modules/.bin/padnet', 'train', ...goesOn]);
    // As the plugin `torch` of Kubeflow Trainer sets them.
    const pod = (index: number): Record<string, string> => ({
      PET_NNODES: String(trainer.numNodes),
      PET_NPROC_PER_NODE: String(trainer.numProcPerNode),
      PET_NODE_RANK: String(index),
      PET_MASTER_ADDR: `${job.metadata.name}-node-0-0.${job.metadata.name}`,
      PET_MASTER_PORT: '29500',
    });
    const ranks = Array.from({ length: trainer.numNodes }, (_, rank) => rank);
    const others = { size: trainer.numNodes, host: 'pad30-node-0-0.pad30', port: 29500 };
    expect(ranks.map((rank) => rankEnvironment(pod(rank)))).toMatchObject(ranks.map((rank) => ({ rank, ...others })));
    expect(nodeEnvironment(pod(1))).toMatchObject({ rank: 1, ...others });
  });

  it('of a PyTorchJob get a rank each', () => {
    const [job] = documents('pytorchjob.yaml') as [
      {
        metadata: { name: string };
        spec: {
          nprocPerNode: string;
          pytorchReplicaSpecs: Record<'Master' | 'Worker', { replicas: number; template: PodTemplate }>;
        };
      },
    ];
    const { nprocPerNode, pytorchReplicaSpecs } = job.spec;
    const { Master, Worker } = pytorchReplicaSpecs;
    expect(Worker.template).toEqual(Master.template);
    expect(Master).toMatchObject({ replicas: 1 });
    const [container] = Master.template.spec.containers;
    expect(container!.name).toBe('pytorch');
    expect(container!.command).toEqual(['node_modules/.bin/padnet', 'train', ...goesOn]);
    // As the operator sets them: the master first.
    const size = Master.replicas + Worker.replicas;
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    const found = ranks.map((rank) =>
      rankEnvironment({
        ...variables(container!, rank),
        RANK: String(rank),
        WORLD_SIZE: String(size * Number(nprocPerNode)),
        MASTER_ADDR: `${job.metadata.name}-master-0`,
        MASTER_PORT: '23456',
        PET_NPROC_PER_NODE: nprocPerNode,
        PET_NODE_RANK: String(rank),
        PET_NNODES: String(size),
      }),
    );
    expect(found).toMatchObject(ranks.map((rank) => ({ rank, size, host: 'pad30-master-0', port: 23456 })));
  });
});
