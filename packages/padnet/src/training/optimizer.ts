/** The optimizer and learning rate that a recipe asks for. */
import { optim, type nn } from '@padnet/torch';
import { Bank } from '../dynamic/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { PartialSource } from '../partial/index.js';
import type { TrainingOptions } from './recipe.js';

/**
 * One group for all ordinary parameters, and one for the banks of each K: their learning rate is multiplied and their weight
 * decay divided by `bankFactor`. While the coefficients are near uniform, each kernel gets 1/K of the gradient and counts
 * 1/K in the mixture, so the mixed kernel would move 1/K as far as a static one (method.md §6).
 */
export function createOptimizer(network: nn.Module, training: TrainingOptions): optim.SGD | optim.AdamW {
  const { optimizer, learningRate, weightDecay, momentum, bankFactor } = training;
  const numKernels = bankParameters(network);
  const ordinary: [string, nn.Parameter][] = [];
  const banks = new Map<number, [string, nn.Parameter][]>();
  for (const [name, parameter] of network.namedParameters()) {
    const count = numKernels.get(parameter);
    const factor = count === undefined ? 1 : bankFactor === 'numKernels' ? count : bankFactor;
    if (factor === 1) ordinary.push([name, parameter]);
    else banks.set(factor, [...(banks.get(factor) ?? []), [name, parameter]]);
  }
  const groups = [
    { parameters: ordinary },
    ...Array.from(banks, ([factor, parameters]) => ({
      parameters,
      learningRate: learningRate * factor,
      weightDecay: weightDecay / factor,
    })),
  ];
  return optimizer === 'adamw'
    ? new optim.AdamW(groups, { learningRate, weightDecay })
    : new optim.SGD(groups, { learningRate, weightDecay, momentum, nesterov: training.nesterov && momentum > 0 });
}

/** Parameters that are banks, and their K. */
function bankParameters(network: nn.Module): Map<nn.Parameter, number> {
  const found = new Map<nn.Parameter, number>();
  for (const [, module] of network.namedModules()) {
    if (module instanceof Bank || module instanceof PartialSource) found.set(module.bank, module.bank.shape[0]!);
    if (module instanceof DynamicConv2d && module.biasBank) found.set(module.biasBank, module.biasBank.shape[0]!);
  }
  return found;
}

/** What the learning rate is multiplied by at a step (0 for the first). */
export function learningRateSchedule(training: TrainingOptions, stepsPerEpoch: number): optim.Schedule {
  const { schedule, epochs, warmupEpochs, milestones, gamma } = training;
  const warmupSteps = Math.round(warmupEpochs * stepsPerEpoch);
  switch (schedule) {
    case 'constant':
      return optim.withWarmup(optim.constant(), warmupSteps);
    case 'step':
      return optim.withWarmup(
        optim.stepDecay({ milestones: milestones.map((epoch) => epoch * stepsPerEpoch), gamma }),
        warmupSteps,
      );
    case 'cosine':
      return optim.withWarmup(optim.cosine({ steps: epochs * stepsPerEpoch }), warmupSteps);
  }
}
