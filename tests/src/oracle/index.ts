import { verifyDyconv } from './dyconv.js';
import type { Comparison } from './fixtures.js';
import { verifyMoE } from './moe.js';
import { verifyMetrics } from './metrics.js';
import { verifyPartition } from './partition.js';
import { verifyTransformers } from './transformers.js';
import { verifyVision } from './vision.js';

export type { Comparison } from './fixtures.js';

/** Every case of every file of the oracle. */
export async function verifyAll(): Promise<Comparison[]> {
  return [
    ...verifyDyconv(),
    ...(await verifyPartition()),
    ...verifyMoE(),
    ...verifyMetrics(),
    ...verifyVision(),
    ...verifyTransformers(),
  ];
}
