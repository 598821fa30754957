/** The process that measures one layer kind: see `networkProcess.ts` for what it is told and answers. */
import { createInterface } from 'node:readline';
import { manualSeed, noGrad, ops, scope, setNumThreads, type nn, type Tensor } from '@padnet/torch';
import { peakMemory } from '../memory.js';
import { countStored, fuseBatchNorms } from '../layers/index.js';
import { createBenchNetwork, inputShape, trainingStep } from './benchNetwork.js';
import type { NetworkJob } from './networks.js';

const job = JSON.parse(process.argv[2]!) as NetworkJob;
setNumThreads(job.threads);
manualSeed(0);
const network = createBenchNetwork(job, job.layer, job.ratio);
const { parameters } = countStored(network);
const images = ops.randn(inputShape(job));
const labels = ops.randint(job.numClasses, [job.batch], { dtype: 'int64' });
const pass = job.pass === 'step' ? trainingStep(network, images, labels) : inference(network, images);

for await (const line of createInterface({ input: process.stdin })) {
  const { passes } = JSON.parse(line) as { passes: number };
  say({ seconds: Array.from({ length: passes }, () => secondsOf(pass)) });
}
say({ parameters, peakMemoryBytes: peakMemory() });

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function inference(trained: nn.Layer, batch: Tensor): () => void {
  fuseBatchNorms(trained.eval());
  return () => {
    noGrad(() => trained.forward(batch));
  };
}

function secondsOf(body: () => void): number {
  const start = performance.now();
  scope(body);
  return (performance.now() - start) / 1000;
}
