/**
 * The network of a run that a program of one's own trained, as it is written down beside it: only that program can make
 * it again, and reports and `padnet inspect` read this instead.
 */
import { zeros, type nn } from '@padnet/torch';
import { z } from 'zod';
import { readJson } from '../jsonFile.js';
import { writeFileAtomic } from '../outputFile.js';
import { PictureTask, type Task } from '../training/index.js';
import { inspectionSchema, inspectNetwork } from './inspectNetwork.js';
import { countNetwork, networkCountsSchema } from './networkCounts.js';
import type { SamplePass } from './samplePass.js';

export const networkSchema = z.strictObject({
  format: z.literal('padnet-network-1'),
  counts: networkCountsSchema,
  inspection: inspectionSchema,
});

/** Counts and inspection of the network as it stands. */
export type ProgramNetwork = Omit<z.infer<typeof networkSchema>, 'format'>;

export function writeProgramNetwork(file: string, network: nn.Module, pass: SamplePass): void {
  const described = { counts: countNetwork(network, pass), inspection: inspectNetwork(network, pass) };
  writeFileAtomic(file, `${JSON.stringify({ format: 'padnet-network-1', ...described }, null, 2)}\n`);
}

/** @throws InputError where it is missing or damaged */
export function readProgramNetwork(file: string): ProgramNetwork {
  return readJson(file, networkSchema, {
    expected: 'what a program wrote of its network',
    wayOut: 'run the program again',
  });
}

/**
 * A forward pass of one sample of the task where its inputs are plain tensors, else of a batch of its partition set.
 */
export async function taskPass(task: Task, seed: number): Promise<SamplePass & Disposable> {
  const { network } = task;
  const losses = await task.partitionLosses({ batches: 1, seed, epoch: 0 });
  const { sampleShape, batchLosses } = losses;
  const dispose = (): void => {
    losses[Symbol.dispose]();
  };
  if (sampleShape === null || !isLayer(network))
    return { sample: '1 batch', ofSize: null, run: () => batchLosses[0]?.(), [Symbol.dispose]: dispose };
  const { device } = network.parameters()[0] ?? { device: 'cpu' as const };
  const run = (): unknown => network.forward(zeros([1, ...sampleShape], { device }));
  const sample = task instanceof PictureTask ? '1 picture' : '1 sample';
  return { sample, ofSize: null, run, [Symbol.dispose]: dispose };
}

function isLayer(network: nn.Module): network is nn.Layer {
  return 'forward' in network && typeof network.forward === 'function';
}
