/** The process that measures one layer kind: see `stepProcess.ts` for what it is told and answers. */
import { createInterface } from 'node:readline';
import { manualSeed, nn, ops, optim, scope, setNumThreads, type Tensor } from '@padnet/torch';
import { countStored } from '../layers/index.js';
import { createModel, modelSchema } from '../models/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import type { StepJob } from './step.js';

const job = JSON.parse(process.argv[2]!) as StepJob;
setNumThreads(job.threads);
manualSeed(0);
const network = createNetwork(job);
const optimizer = new optim.SGD(network.namedParameters(), { learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
const loss = new nn.CrossEntropyLoss();
const images = ops.randn([job.batch, job.inChannels, job.size, job.size]);
const labels = ops.randint(job.numClasses, [job.batch], { dtype: 'int64' });
const { parameters } = countStored(network);

for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line) as { steps: number };
  say({ seconds: Array.from({ length: steps }, () => timedStep(network, images, labels)) });
}
say({ parameters, peakMemoryBytes: process.resourceUsage().maxRSS * 1024 });

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function createNetwork({ model, layer, stem, width, inChannels, numClasses, ratio }: StepJob): nn.Layer {
  const options = modelSchema.parse({
    name: model,
    layer: layer === 'pad-filter' ? 'pad' : layer,
    stem,
    ...(width !== null && { width }),
  });
  const created = createModel(options, { inChannels, numClasses });
  const masks = Array.from(partialLayers(created), ([path, { shape }]): [string, Mask] => [
    path,
    scope(() =>
      Mask.fromTensor(
        ops
          .rand(layer === 'pad-filter' ? [shape[0]!, 1, 1, 1] : shape)
          .lt(ratio)
          .expand(shape),
      ),
    ),
  ]);
  applyPartition(created, { masks: new Map(masks) });
  return created.train();
}

function timedStep(trained: nn.Layer, batch: Tensor, classes: Tensor): number {
  const start = performance.now();
  scope(() => {
    loss.forward(trained.forward(batch), classes).backward();
    optimizer.step();
    trained.zeroGrad();
  });
  return (performance.now() - start) / 1000;
}
