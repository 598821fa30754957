import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifyDyconv } from './dyconv.js';
import { fixturesFolder, type Comparison } from './fixtures.js';
import { verifyMoE } from './moe.js';
import { verifyMetrics } from './metrics.js';
import { verifyPartition } from './partition.js';
import { verifyRouters } from './routers.js';
import { hasTransformers, verifyTransformers } from './transformers.js';
import { verifyVision } from './vision.js';

export type { Comparison } from './fixtures.js';

const families: Readonly<Record<string, () => Comparison[] | Promise<Comparison[]>>> = {
  'dyconv.json': verifyDyconv,
  'routers.json': verifyRouters,
  'partition.json': verifyPartition,
  'moe.json': verifyMoE,
  'metrics.json': verifyMetrics,
  'vision.json': verifyVision,
};

export interface Verification {
  readonly comparisons: readonly Comparison[];
  /** Files of the oracle that are not in the folder. */
  readonly missing: readonly string[];
}

/** Every case of every file of the oracle that is there. */
export async function verifyAll(): Promise<Verification> {
  const comparisons: Comparison[] = [];
  const missing: string[] = [];
  for (const [file, verify] of Object.entries(families)) {
    if (existsSync(join(fixturesFolder, file))) comparisons.push(...(await verify()));
    else missing.push(file);
  }
  if (hasTransformers) comparisons.push(...verifyTransformers());
  else missing.push('transformers');
  return { comparisons, missing };
}
