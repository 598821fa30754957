/**
 * Which of several processes this one is, as those that start processes say in the environment: torchrun, Slurm's srun,
 * Kubeflow.
 */
export { freePort } from './freePort.js';

/** The environment of one rank. */
export interface RankEnvironment {
  /** From 0; rank 0 keeps the store at which all meet. */
  readonly rank: number;
  /** Ranks in all, at least 2. */
  readonly size: number;
  /** Among those of its machine, from 0; 0 where nobody says. */
  readonly localRank: number;
  /** Ranks on its machine; null where nobody says. */
  readonly localSize: number | null;
  /** Name or address of the machine of rank 0. */
  readonly host: string;
  /** Where rank 0 listens on that machine, 1 to 65535. */
  readonly port: number;
  /** How often torchrun has started the ranks anew. */
  readonly restarts: number;
}

type Environment = Readonly<NodeJS.ProcessEnv>;

/**
 * Reads RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT (torchrun, PyTorchJob), else within
 * a step of srun Slurm's variables, else the PET_ variables of Kubeflow Trainer. The port is MASTER_PORT; the next one
 * where torchrun's agent listens at MASTER_PORT itself; PADNET_MASTER_PORT before both.
 *
 * @returns null where there is one process
 * @throws RangeError naming the variable, its value and what was expected
 */
export function rankEnvironment(env: Environment = process.env): RankEnvironment | null {
  if (given(env, 'RANK') !== null) return ofTorchrun(env);
  if (isSlurmStep(env)) return ofSlurm(env);
  if (given(env, 'PET_NNODES') !== null) {
    checkOneProcess(env);
    return ofKubeflow(env);
  }
  const size = given(env, 'WORLD_SIZE') === null ? 1 : wholeNumber(env, 'WORLD_SIZE', 1);
  if (size > 1) throw missing('RANK', `a number from 0 to ${size - 1}, since WORLD_SIZE=${size}`);
  return null;
}

/**
 * The environment of a process that starts the ranks of its machine itself: `rank` and `size` count machines.
 *
 * @returns null where there is one machine
 * @throws RangeError as `rankEnvironment`
 */
export function nodeEnvironment(env: Environment = process.env): RankEnvironment | null {
  // PyTorchJob sets RANK to the pod's number and WORLD_SIZE to that of all processes.
  const isPod = given(env, 'PET_NNODES') !== null && given(env, 'LOCAL_RANK') === null;
  return isPod ? ofKubeflow(env) : rankEnvironment(env);
}

function ofTorchrun(env: Environment): RankEnvironment | null {
  const size = wholeNumber(env, 'WORLD_SIZE', 1);
  const rank = wholeNumber(env, 'RANK', 0, size - 1, `, since WORLD_SIZE=${size}`);
  const hasLocal = given(env, 'LOCAL_RANK') !== null;
  if (!hasLocal) checkOneProcess(env);
  if (size === 1) return null;
  const localSize =
    given(env, 'LOCAL_WORLD_SIZE') === null
      ? null
      : wholeNumber(env, 'LOCAL_WORLD_SIZE', 1, size, `, since WORLD_SIZE=${size}`);
  const bound = localSize === null ? `, since WORLD_SIZE=${size}` : `, since LOCAL_WORLD_SIZE=${localSize}`;
  const localRank = hasLocal ? wholeNumber(env, 'LOCAL_RANK', 0, (localSize ?? size) - 1, bound) : 0;
  return { rank, size, localRank, localSize, host: host(env, 'MASTER_ADDR'), ...meeting(env) };
}

/** A batch script has SLURM_PROCID=0 too; its step, and that of salloc's shell, has a word or a huge number. */
function isSlurmStep(env: Environment): boolean {
  const step = given(env, 'SLURM_STEP_ID');
  return step !== null && /^\d+$/.test(step) && Number(step) < 0xfffffff0 && given(env, 'SLURM_PROCID') !== null;
}

function ofSlurm(env: Environment): RankEnvironment | null {
  // The step's number of tasks, where Slurm says it: SLURM_NTASKS may be that of the whole job.
  const tasks = given(env, 'SLURM_STEP_NUM_TASKS') === null ? 'SLURM_NTASKS' : 'SLURM_STEP_NUM_TASKS';
  const size = wholeNumber(env, tasks, 1);
  const rank = wholeNumber(env, 'SLURM_PROCID', 0, size - 1, `, since ${tasks}=${size}`);
  if (size === 1) return null;
  const localRank = wholeNumber(env, 'SLURM_LOCALID', 0, size - 1, `, since ${tasks}=${size}`);
  const master = given(env, 'MASTER_ADDR') === null ? firstHost(env) : host(env, 'MASTER_ADDR');
  const hasPort = given(env, 'MASTER_PORT') !== null || given(env, 'PADNET_MASTER_PORT') !== null;
  // Every job has one of its own, and every rank finds the same.
  const jobPort = (): number => 20_000 + (wholeNumber(env, 'SLURM_JOB_ID', 0, Infinity, ', or MASTER_PORT') % 10_000);
  const { port, ...others } = meeting(env, hasPort ? undefined : jobPort());
  return { rank, size, localRank, localSize: null, host: master, port, ...others };
}

function ofKubeflow(env: Environment): RankEnvironment | null {
  const size = wholeNumber(env, 'PET_NNODES', 1);
  if (size === 1) return null;
  const rank = wholeNumber(env, 'PET_NODE_RANK', 0, size - 1, `, since PET_NNODES=${size}`);
  const port = given(env, 'PADNET_MASTER_PORT') === null ? portOf(env, 'PET_MASTER_PORT') : undefined;
  return { rank, size, localRank: 0, localSize: 1, host: host(env, 'PET_MASTER_ADDR'), ...meeting(env, port) };
}

/** @throws RangeError where the pod was to have more than this process; `auto`, `cpu` and `gpu` are for torchrun */
function checkOneProcess(env: Environment): void {
  const asked = given(env, 'PET_NPROC_PER_NODE');
  if (asked === null || ['auto', 'cpu', 'gpu'].includes(asked)) return;
  const processes = wholeNumber(env, 'PET_NPROC_PER_NODE', 1);
  if (processes === 1) return;
  throw new RangeError(
    `PET_NPROC_PER_NODE=${processes}: expected 1 process in each pod; ` +
      `start \`padnet launch --nproc ${processes} -- train …\` in it for ${processes}`,
  );
}

/** Where and under which name the ranks meet. @param known the port, where MASTER_PORT does not say it */
function meeting(env: Environment, known?: number): Pick<RankEnvironment, 'port' | 'restarts'> {
  const restarts = given(env, 'TORCHELASTIC_RESTART_COUNT');
  return {
    port: given(env, 'PADNET_MASTER_PORT') === null ? (known ?? masterPort(env)) : portOf(env, 'PADNET_MASTER_PORT'),
    restarts: restarts === null ? 0 : wholeNumber(env, 'TORCHELASTIC_RESTART_COUNT', 0),
  };
}

function masterPort(env: Environment): number {
  const port = portOf(env, 'MASTER_PORT');
  if (env.TORCHELASTIC_USE_AGENT_STORE !== 'True') return port;
  if (port < 65_535) return port + 1;
  throw new RangeError(
    'MASTER_PORT=65535: torchrun listens there, and the ranks need the next port; expected at most 65534, ' +
      'or PADNET_MASTER_PORT',
  );
}

function portOf(env: Environment, name: string): number {
  return wholeNumber(env, name, 1, 65_535, ', a port of the machine of rank 0');
}

/** The value of a variable; null where it is not set, or empty. */
function given(env: Environment, name: string): string | null {
  const value = env[name];
  return value === undefined || value === '' ? null : value;
}

function missing(name: string, expected: string): RangeError {
  return new RangeError(`${name} is not set: expected ${expected}`);
}

/** @param reason follows the bounds in the message. @throws RangeError where the variable has no such number */
function wholeNumber(env: Environment, name: string, least: number, most = Infinity, reason = ''): number {
  const bounds = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  const text = given(env, name);
  if (text === null) throw missing(name, `a whole number ${bounds}${reason}`);
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name}=${text}: expected a whole number ${bounds}${reason}`);
}

function host(env: Environment, name: string): string {
  const value = given(env, name);
  if (value === null) throw missing(name, 'the name or address of the machine of rank 0');
  if (!/\s/.test(value)) return value;
  throw new RangeError(`${name}=${JSON.stringify(value)}: expected the name or address of the machine of rank 0`);
}

/** `node[03-07,9],other` → `node03` */
function firstHost(env: Environment): string {
  const name = given(env, 'SLURM_STEP_NODELIST') === null ? 'SLURM_JOB_NODELIST' : 'SLURM_STEP_NODELIST';
  const list = given(env, name);
  if (list === null) throw missing(name, "Slurm's list of machines, or MASTER_ADDR");
  // A name is text and brackets in turns; commas within brackets part numbers, the first outside of them ends it.
  const [, first] = /^((?:[^\s,[\]]|\[\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\])+)(?:,|$)/.exec(list) ?? [];
  if (first === undefined) throw new RangeError(`${name}=${list}: expected a list of machines such as node[03-07,9]`);
  return first.replaceAll(/\[(\d+)[^\]]*\]/g, '$1');
}
