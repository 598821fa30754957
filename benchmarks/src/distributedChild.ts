/** One process of a turn of `distributed.ts`: is given a `DistributedJob` as JSON, and prints a `DistributedTurn`. */
import { manualSeed, ops, optim, scope, setNumThreads } from '@padnet/torch';
import { GradientBuckets, ProcessGroup, rankEnvironment } from '@padnet/torch/distributed';
import { loadMachineRates } from '../../packages/padnet/dist/compute/index.js';
import type { DistributedJob, DistributedTurn } from './distributed.js';
import { createNetwork, inputShape } from './networks.js';

const warmUps = 2;

const job = JSON.parse(process.argv[2]!) as DistributedJob;
setNumThreads(job.threads);
manualSeed(0);
loadMachineRates();
const network = createNetwork(job, job.layer, job.ratio);
const optimizer = new optim.SGD(network.namedParameters(), { learningRate: 1e-4, momentum: 0.9 });
const images = ops.randn(inputShape(job));
const labels = ops.randint(job.numClasses, [job.batch], { dtype: 'int64' });
const parameters = network.parameters().filter(({ numel }) => numel > 0);

const environment = rankEnvironment();
const group = environment && (await ProcessGroup.open(environment));
const buckets = group && new GradientBuckets(group, parameters, job.bucketBytes);

const turn = { seconds: [] as number[], processorSeconds: [] as number[], waitSeconds: [] as number[] };
for (let step = -warmUps; step < job.steps; step++) {
  const start = performance.now();
  const processor = process.cpuUsage();
  let wait = 0;
  scope(() => {
    buckets?.start();
    ops.crossEntropyLoss(network.forward(images), labels).backward();
    wait = buckets?.finish() ?? 0;
    optimizer.step();
    network.zeroGrad();
  });
  if (step < 0) continue;
  turn.seconds.push((performance.now() - start) / 1000);
  const { user, system } = process.cpuUsage(processor);
  turn.processorSeconds.push((user + system) / 1e6);
  turn.waitSeconds.push(wait);
}
const gradients = parameters.reduce((sum, { numel }) => sum + numel, 0);
process.stdout.write(JSON.stringify({ ...turn, gradients } satisfies DistributedTurn));
group?.barrier();
group?.close();
