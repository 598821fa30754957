/** The commands of `npm run bench`. */
import { Command } from 'commander';
import { addDistributed } from './distributed.js';
import { addDistributedStudy } from './distributedStudy.js';
import { addExported, addExportedMoE } from './exported.js';
import { addImp } from './imp.js';
import { addLayer } from './layer.js';
import { addLoader } from './loader.js';
import { addMoE } from './moe.js';
import { addOps } from './ops.js';
import { addInference, addStep } from './passes.js';
import { addStandardRuns } from './standardRuns.js';

export function createProgram(): Command {
  const program = new Command('bench').description('Measures what things cost on this machine.');
  for (const add of [
    addStep,
    addInference,
    addLayer,
    addMoE,
    addImp,
    addDistributed,
    addDistributedStudy,
    addExported,
    addExportedMoE,
    addLoader,
    addOps,
    addStandardRuns,
  ])
    add(program);
  return program;
}
