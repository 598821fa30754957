/** `padnet launch`: the ranks of this machine, each a process of `padnet train`. */
import { availableParallelism } from 'node:os';
import { freePort, nodeEnvironment, type RankEnvironment } from '@padnet/torch/distributed/environment';
import { type Command, type OptionsOf, wholeNumber, withExamples } from './options.js';
import { type RankPlan, RankProcesses } from './rankProcesses.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'launch --nproc 2 -- train recipes/fashion-mnist/pad30.yaml --out runs/pad30',
    'launch --nproc 2 -- train --resume runs/pad30',
  )
    .addHelpText(
      'after',
      '\nRank 0 has the terminal; what others remark is shown with their number. Ctrl-C saves, as with one process.' +
        '\nIn a pod of Kubeflow, or in a step of srun with one task a machine, it starts the ranks of its machine.' +
        '\nOMP_NUM_THREADS says how many threads each has (default: the cores, shared out).',
    )
    .showHelpAfterError('what train is given comes after `--`: padnet launch --nproc 2 -- train …')
    .requiredOption('--nproc <number>', 'ranks on this machine', wholeNumber(1))
    .argument('<command...>', 'after `--`: train, with its parameters');

export function register(command: Command, terminal: Terminal): void {
  define(command).action((parameters, options) => launch(parameters, options, terminal));
}

async function launch(
  parameters: readonly string[],
  { nproc }: OptionsOf<typeof define>,
  terminal: Terminal,
): Promise<void> {
  const [name] = parameters;
  if (name !== 'train')
    throw new UsageError(`launch: expected \`train\` after \`--\`, got ${name}: other commands are for one process`);
  const node = nodeEnvironment();
  if (node !== null) checkFirst(node);
  const cores = availableParallelism();
  if (nproc > cores) terminal.remark(`${nproc} ranks share ${cores} cores`);
  const plans = rankPlans(nproc, node, node?.port ?? (await freePort()));
  terminal.exitCode = await new RankProcesses(terminal).run(plans, parameters);
}

/** @throws UsageError where something else has started several processes on this machine */
function checkFirst({ localRank, localSize }: RankEnvironment): void {
  if (localRank === 0 && (localSize ?? 1) === 1) return;
  throw new UsageError(
    `launch starts the ranks of this machine itself, and this is process ${localRank}` +
      `${localSize === null ? '' : ` of ${localSize}`} on it; start \`padnet train\` so, or one launch a machine`,
  );
}

function rankPlans(nproc: number, node: RankEnvironment | null, port: number): RankPlan[] {
  const threads = Math.max(1, Math.floor(availableParallelism() / nproc));
  const first = (node?.rank ?? 0) * nproc;
  return Array.from({ length: nproc }, (_, local) => ({
    rank: first + local,
    env: {
      OMP_NUM_THREADS: String(threads),
      ...process.env,
      RANK: String(first + local),
      WORLD_SIZE: String((node?.size ?? 1) * nproc),
      LOCAL_RANK: String(local),
      LOCAL_WORLD_SIZE: String(nproc),
      MASTER_ADDR: node?.host ?? '127.0.0.1',
      MASTER_PORT: String(port),
      // `port` is where rank 0 may listen.
      TORCHELASTIC_USE_AGENT_STORE: 'False',
      PADNET_LAUNCH: `launch --nproc ${nproc} --`,
    },
  }));
}
