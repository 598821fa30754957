/**
 * The optimizer's state shared out over ranks (ZeRO stage 1, Rajbhandari et al. 2020, arXiv 1910.02054): each rank has
 * the momentum or moments of some parameters, steps those, and gives them to the others. The same bits as without.
 */
import { noGrad, scope, zeros, type nn, type optim, type Tensor } from '@padnet/torch';
import { copyFromFlat, flattened, type Ranks } from '../ranks.js';
import type { TrainingOptions } from '../recipe/recipe.js';
import { createOptimizer } from './optimizer.js';
import { parameterOf } from './partitionedState.js';

/** What a trainer needs of an optimizer. */
export type StepOptimizer = Pick<optim.SGD | optim.AdamW, 'learningRateScale' | 'step' | 'stateDict' | 'loadStateDict'>;

/** @param ranks that share it out where `training.distributed.shardOptimizer` says so; null for one process */
export function stepOptimizer(network: nn.Module, training: TrainingOptions, ranks: Ranks | null): StepOptimizer {
  return ranks && training.distributed?.shardOptimizer
    ? new ShardedOptimizer(network, training, ranks)
    : createOptimizer(network, training);
}

export class ShardedOptimizer implements StepOptimizer {
  readonly #ranks: Ranks;
  readonly #parameters: ReadonlyMap<string, nn.Parameter>;
  /** The rank that has the state of each parameter. */
  readonly #owners: ReadonlyMap<string, number>;
  /** Of this rank's parameters; null where it has none. */
  readonly #own: optim.SGD | optim.AdamW | null;
  #learningRateScale = 1;

  constructor(network: nn.Module, training: TrainingOptions, ranks: Ranks) {
    this.#ranks = ranks;
    this.#parameters = new Map(network.namedParameters());
    this.#owners = evenOwners(this.#parameters, ranks.size);
    const isOwn = (name: string): boolean => this.#owners.get(name) === ranks.rank;
    this.#own = [...this.#parameters.keys()].some(isOwn) ? createOptimizer(network, training, isOwn) : null;
  }

  get learningRateScale(): number {
    return this.#learningRateScale;
  }

  set learningRateScale(scale: number) {
    this.#learningRateScale = scale;
    if (this.#own) this.#own.learningRateScale = scale;
  }

  /** Steps this rank's parameters, and takes those of the others from them. */
  step(): void {
    this.#own?.step();
    const { group, size, rank } = this.#ranks;
    scope(() => {
      noGrad(() => {
        const sent = Array.from({ length: size }, (_, owner) => {
          const parameters = this.#ownedBy(owner);
          const [first] = parameters;
          if (!first) return null;
          const flat =
            owner === rank
              ? flattened(parameters)
              : zeros([parameters.reduce((sum, { numel }) => sum + numel, 0)], { dtype: first.dtype });
          return { owner, parameters, flat, work: group.broadcast(flat, owner) };
        });
        for (const part of sent) {
          part?.work.wait();
          if (part && part.owner !== rank) copyFromFlat(part.flat, part.parameters);
        }
      });
    });
  }

  /** The state of all parameters, as one process would have it; every rank is to call it. */
  stateDict(): optim.OptimizerState {
    const { group, size, rank } = this.#ranks;
    const own = this.#own?.stateDict();
    const tensors = new Map<string, Tensor>();
    let numbers: Record<string, number> = {};
    for (let owner = 0; owner < size; owner++) {
      const listed = Array.from(own?.tensors ?? [], ([key, { shape, dtype }]) => ({ key, shape, dtype }));
      const told = group.broadcastJson({ listed, numbers: own?.numbers }, owner) as {
        readonly listed: typeof listed;
        readonly numbers?: Record<string, number>;
      };
      numbers = { ...numbers, ...told.numbers };
      for (const { key, shape, dtype } of told.listed) {
        const tensor = owner === rank ? own!.tensors.get(key)! : zeros(shape, { dtype });
        if (tensor.numel > 0) group.broadcast(tensor, owner).wait();
        tensors.set(key, tensor);
      }
    }
    return { tensors, numbers: { ...numbers, learningRateScale: this.#learningRateScale } };
  }

  loadStateDict({ tensors, numbers }: optim.OptimizerState): void {
    const isOwn = (key: string): boolean =>
      !key.includes('.') || this.#owners.get(parameterOf(key)) === this.#ranks.rank;
    this.#own?.loadStateDict({
      tensors: new Map([...tensors].filter(([key]) => isOwn(key))),
      numbers: Object.fromEntries(Object.entries(numbers).filter(([key]) => isOwn(key))),
    });
    this.learningRateScale = numbers.learningRateScale!;
  }

  #ownedBy(rank: number): nn.Parameter[] {
    return [...this.#parameters].flatMap(([name, parameter]) =>
      this.#owners.get(name) === rank && parameter.numel > 0 ? [parameter] : [],
    );
  }
}

/** The largest parameters first, each to the rank that has the least. */
function evenOwners(parameters: ReadonlyMap<string, nn.Parameter>, size: number): Map<string, number> {
  const loads = new Array<number>(size).fill(0);
  const bySize = [...parameters].sort(([, a], [, b]) => b.numel - a.numel);
  return new Map(
    bySize.map(([name, { numel }]) => {
      const owner = loads.indexOf(Math.min(...loads));
      loads[owner]! += numel;
      return [name, owner];
    }),
  );
}
