/** A turn of one network of ours, in a process of its own: it is given a `Job` as JSON, and prints a `Turn`. */
import { manualSeed, noGrad, ops, setNumThreads, type Tensor } from '@padnet/torch';
import { loadMachineRates } from '../../packages/padnet/dist/compute/index.js';
import { countStored, fuseBatchNorms } from '../../packages/padnet/dist/layers/index.js';
import { peakMemory } from '../../packages/padnet/dist/memory.js';
import { sample } from './measure.js';
import { createNetwork, inputShape, trainingStep } from './networks.js';
import type { Job, Turn } from './passes.js';

const job = JSON.parse(process.argv[2]!) as Job;
setNumThreads(job.threads);
manualSeed(0);
loadMachineRates();
const network = createNetwork(job, job.layer, job.ratio);
const { parameters } = countStored(network);
const images = ops.randn(inputShape(job));
const labels = ops.randint(job.numClasses, [job.batch], { dtype: 'int64' });
if (job.pass === 'inference') fuseBatchNorms(network.eval());
const inference = (): Tensor => noGrad(() => network.forward(images));
const pass = job.pass === 'step' ? trainingStep(network, images, labels) : inference;
const samples = Array.from({ length: job.warmUps + job.passes }, () => sample(pass)).slice(job.warmUps);
process.stdout.write(JSON.stringify({ samples, parameters, peakMemoryBytes: peakMemory() } satisfies Turn));
