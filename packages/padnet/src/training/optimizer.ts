/** The optimizer and learning rate that a recipe asks for. */
import { nn, optim } from '@padnet/torch';
import { InputError } from '../errors.js';
import type { InitialGains } from '../dynamic/index.js';
import { DynamicConv, isDynamicLayer, MoELinear, type DynamicLayer } from '../layers/index.js';
import { isMasked, sourceOf } from '../partial/index.js';
import type { TrainingOptions } from '../recipe/recipe.js';

/**
 * Groups by what multiplies the learning rate and whether weights decay. A bank's learning rate is multiplied and its
 * weight decay divided by `bankFactor`: while the coefficients are near uniform, each kernel gets 1/K of the gradient
 * and counts 1/K in the mixture, so the mixed kernel would move 1/K as far as a static one under SGD (method.md §6). A
 * router's learning rate is multiplied by `routerFactor`. AdamW decays neither biases nor norms nor φ.
 *
 * @param isWanted which parameters it is of, by name
 */
export function createOptimizer(
  network: nn.Module,
  training: TrainingOptions,
  isWanted: (name: string) => boolean = () => true,
): optim.SGD | optim.AdamW {
  const { optimizer, learningRate, weightDecay, momentum, bankFactor, routerFactor } = training;
  const bankFactors = factorsOfBanks(network, training);
  const routers = routerParameters(network);
  const undecayed = optimizer === 'adamw' ? undecayedParameters(network) : new Set<nn.Parameter>();
  const found = new Map<string, { parameters: [string, nn.Parameter][]; learningRate: number; weightDecay: number }>();
  for (const [name, parameter] of network.namedParameters()) {
    if (!isWanted(name)) continue;
    const ofBank = bankFactors.get(parameter) ?? 1;
    const factor = routers.has(parameter) ? routerFactor : ofBank;
    const decay = undecayed.has(parameter) ? 0 : weightDecay / ofBank;
    if (routers.has(parameter) && !Number.isFinite(learningRate * factor))
      throw new InputError(
        `training.routerFactor: ${routerFactor} makes the learning rate of routers infinite; give a smaller one`,
      );
    if (!Number.isFinite(decay) || !Number.isFinite(learningRate * factor))
      throw new InputError(
        `training.bankFactor: ${bankFactor} makes the learning rate or the weight decay of banks infinite; ` +
          'give one nearer to 1',
      );
    const key = `${factor} ${decay}`;
    const group = found.get(key) ?? { parameters: [], learningRate: learningRate * factor, weightDecay: decay };
    group.parameters.push([name, parameter]);
    found.set(key, group);
  }
  const groups = [...found.values()].sort((a, b) => a.learningRate - b.learningRate);
  return optimizer === 'adamw'
    ? new optim.AdamW(groups, { learningRate, weightDecay })
    : new optim.SGD(groups, {
        learningRate,
        weightDecay,
        momentum,
        nesterov: training.nesterov && momentum > 0,
      });
}

function undecayedParameters(network: nn.Module): Set<nn.Parameter> {
  const isBias = (name: string): boolean => /(?:^|\.)(?:bias[^.]*|[^.]*_bias)$/.test(name);
  const biases = [...network.namedParameters()].filter(([name]) => isBias(name));
  const found = new Set(biases.map(([, parameter]) => parameter));
  for (const [, module] of network.namedModules()) {
    if (module instanceof nn.LayerNorm || module instanceof nn.BatchNorm || module instanceof nn.GroupNorm)
      for (const parameter of module.parameters()) found.add(parameter);
    const source = sourceOf(module);
    if (isMasked(source) && source.phi) found.add(source.phi);
  }
  return found;
}

/**
 * Factors of the parameters of banks, and with `effective` of static weights behind attentions that scale them too; not
 * of DCD, whose coefficients are features and come to nothing like 1 together.
 */
function factorsOfBanks(network: nn.Module, training: BankOptions): Map<nn.Parameter, number> {
  const found = new Map<nn.Parameter, number>();
  for (const [, module] of network.namedModules()) {
    if (!(module instanceof DynamicConv || module instanceof MoELinear)) continue;
    const { source, biasBank } = module;
    const { bank, bias, staticWeight } = layerFactors(module, training);
    if (source.kind !== 'static') found.set(source.bank, bank);
    if (source.kind === 'partial') found.set(source.staticWeight, staticWeight);
    if (biasBank) found.set(biasBank, bias);
  }
  return found;
}

type BankOptions = Pick<TrainingOptions, 'optimizer' | 'bankFactor'>;

interface LayerFactors {
  readonly bank: number;
  readonly bias: number;
  readonly staticWeight: number;
}

/**
 * With `effective` what undoes the gains of a fresh router: SGD's gradient has them once more, the steps of AdamW have
 * one size whatever the gradient's. Where they are not known the coefficients count as uniform.
 */
function layerFactors(layer: DynamicConv | MoELinear, { optimizer, bankFactor }: BankOptions): LayerFactors {
  if (typeof bankFactor === 'number') return { bank: bankFactor, bias: bankFactor, staticWeight: 1 };
  const numKernels = layer.biasBank?.shape[0] ?? (layer.source.kind === 'static' ? 1 : layer.source.numKernels);
  if (bankFactor === 'numKernels') return { bank: numKernels, bias: numKernels, staticWeight: 1 };
  const known = layer instanceof DynamicConv ? layer.initialGains : null;
  const uniform: InitialGains = { coefficients: 1, squares: 1 / numKernels, spatial: 1, output: 1 };
  const { coefficients, squares, spatial, output } = known ?? uniform;
  if (optimizer === 'adamw')
    return { bank: 1 / (coefficients * spatial * output), bias: 1 / coefficients, staticWeight: 1 / output };
  return { bank: 1 / (squares * spatial ** 2 * output ** 2), bias: 1 / squares, staticWeight: 1 / output ** 2 };
}

function routerParameters(network: nn.Module): Set<nn.Parameter> {
  const layers = Array.from(network.namedModules(), ([, module]) => module).filter((module): module is DynamicLayer =>
    isDynamicLayer(module),
  );
  return new Set(layers.flatMap(({ router }) => [...router.parameters()]));
}

/**
 * The factor of the learning rate at a step (0 for the first). It rises from 0 over the warm-up, and the schedule goes
 * over the steps that are left, as in PyTorch's `SequentialLR` and Hugging Face's schedules. Milestones are epochs of
 * the whole training. With `scheduleStart: firstStep` the schedule goes over all steps and the warm-up multiplies the
 * first of them, so that all of the learning rate is never reached.
 */
export function learningRateSchedule(training: TrainingOptions, stepsPerEpoch: number): optim.Schedule {
  const { warmupEpochs, scheduleStart } = training;
  const warmupSteps = Math.round(warmupEpochs * stepsPerEpoch);
  switch (scheduleStart) {
    case 'afterWarmup':
      return optim.withWarmup(scheduleFrom(warmupSteps, training, stepsPerEpoch), warmupSteps);
    case 'firstStep': {
      const schedule = scheduleFrom(0, training, stepsPerEpoch);
      return (step) => schedule(step) * (step + 1 < warmupSteps ? (step + 1) / warmupSteps : 1);
    }
  }
}

/** From step `start` of the training to its end; 0 is that step. */
function scheduleFrom(
  start: number,
  { schedule, epochs, milestones, gamma }: TrainingOptions,
  stepsPerEpoch: number,
): optim.Schedule {
  const steps = Math.max(1, epochs * stepsPerEpoch - start);
  switch (schedule) {
    case 'constant':
      return optim.constant();
    case 'step': {
      const decay = optim.stepDecay({ milestones: milestones.map((epoch) => epoch * stepsPerEpoch), gamma });
      return (step) => decay(start + step);
    }
    case 'linear':
      return optim.linear({ steps });
    case 'cosine':
      return optim.cosine({ steps });
  }
}
