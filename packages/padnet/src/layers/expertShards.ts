/**
 * Experts shared out over ranks: of E experts rank r keeps those with ⌊e · ranks / E⌋ = r, so that banks, their
 * gradients and what an optimizer keeps of them take that part of the memory. Routers and static parts stay whole.
 *
 * A training step with it, under `withSharedBatch`:
 *
 *     const shards = new ExpertShards(network, group);        // before the optimizer is made
 *     using buckets = new GradientBuckets(group, shards.others(network));
 *     … backward, buckets.finish() …                          // gradients of shares are whole by themselves
 *     shards.clipGradNorm(network, maxNorm);                  // instead of optim.clipGradNorm
 *     optimizer.step();
 *
 * All else wants the whole network: `during` has it for a while (evaluation), `gather` for good (a partition, the end).
 * Tensors that belong to parameters (weights, momentum, averages) become whole by `whole` for a checkpoint, and shares
 * again by `own`. Every rank has to call these.
 */
import { noGrad, ops, scope, type nn, type Tensor } from '@padnet/torch';
import type { ProcessGroup } from '@padnet/torch/distributed';
import { expertsOfRank } from '../compute/exchangedExperts.js';
import { MoELinear } from './moeLinear.js';

export class ExpertShards {
  readonly #group: ProcessGroup;
  readonly #layers = new Set<MoELinear>();
  /** E of each parameter that is shared out. */
  readonly #numExperts = new Map<nn.Parameter, number>();
  readonly #names: ReadonlyMap<string, nn.Parameter>;
  #areShared = false;

  /**
   * Shares out the banks of all mixtures that have any; their parameters stay the same objects.
   *
   * @throws RangeError where a layer has fewer experts than there are ranks, Error where they are shared out already;
   *   then nothing was changed
   */
  constructor(network: nn.Module, group: ProcessGroup) {
    assertWholeExperts(network, 'they are shared out again');
    this.#group = group;
    for (const [path, layer] of network.namedModules()) {
      if (!(layer instanceof MoELinear) || layer.source.kind === 'static' || layer.source.bank.numel === 0) continue;
      const { numExperts } = layer.router;
      if (numExperts < group.size)
        throw new RangeError(
          `${path === '' ? 'the layer' : path} has fewer experts (${numExperts}) than there are ranks ` +
            `(${group.size}) to share them out over; start fewer, or set training.distributed.shardExperts: false`,
        );
      this.#layers.add(layer);
      for (const parameter of [layer.source.bank, layer.biasBank])
        if (parameter) this.#numExperts.set(parameter, numExperts);
    }
    this.#names = new Map(Array.from(network.namedParameters()).filter(([, each]) => this.#numExperts.has(each)));
    this.share();
  }

  /** Those that are shared out. Their gradients are of the whole batch: not to be summed over ranks. */
  get parameters(): nn.Parameter[] {
    return [...this.#numExperts.keys()];
  }

  /** The parameters of the network that every rank has whole. */
  others(network: nn.Module): nn.Parameter[] {
    return network.parameters().filter((parameter) => !this.#numExperts.has(parameter));
  }

  /** This rank keeps its experts alone. Gradients are dropped. */
  share(): void {
    if (this.#areShared) return;
    this.#replace((whole, numExperts) => this.#rowsOf(this.#group.rank, whole, numExperts).clone());
    for (const layer of this.#layers) layer.expertGroup = this.#group;
    this.#areShared = true;
  }

  /** Every rank has all experts. Gradients are dropped. */
  gather(): void {
    if (!this.#areShared) return;
    this.#replace((own, numExperts) => this.#gathered(own, numExperts));
    for (const layer of this.#layers) layer.expertGroup = null;
    this.#areShared = false;
  }

  /** Runs `body` while every rank has all experts; weights that it changes are kept. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    this.gather();
    try {
      return await body();
    } finally {
      this.share();
    }
  }

  /**
   * The tensors with those of parameters that are shared out made whole: rows of all experts, as without ranks.
   *
   * @param parameterOf the name of the parameter that a key belongs to. @default the key itself
   */
  whole(tensors: nn.StateDict, parameterOf: (key: string) => string = (key) => key): Map<string, Tensor> {
    return this.#each(tensors, parameterOf, (own, numExperts) => this.#gathered(own, numExperts));
  }

  /** The inverse of `whole`: views of this rank's rows. */
  own(tensors: nn.StateDict, parameterOf: (key: string) => string = (key) => key): Map<string, Tensor> {
    return this.#each(tensors, parameterOf, (whole, numExperts) => this.#rowsOf(this.#group.rank, whole, numExperts));
  }

  /**
   * `optim.clipGradNorm` of the whole network, once the gradients of all other parameters are summed over the ranks.
   *
   * @returns the norm before, the same on all ranks; where it is not finite, nothing was changed
   */
  clipGradNorm(network: nn.Module, maxNorm: number): number {
    return scope(() =>
      noGrad(() => {
        const [others, shares] = [gradientsOf(this.others(network)), gradientsOf(this.parameters)];
        const [ofShares = 0] = this.#group.sum([squaredNorm(shares)]);
        const norm = Math.sqrt(squaredNorm(others) + ofShares);
        const factor = maxNorm / (norm + 1e-6);
        if (Number.isFinite(norm) && factor < 1) ops._foreachMul_([...others, ...shares], factor);
        return norm;
      }),
    );
  }

  #each(
    tensors: nn.StateDict,
    parameterOf: (key: string) => string,
    change: (tensor: Tensor, numExperts: number) => Tensor,
  ): Map<string, Tensor> {
    return new Map(
      Array.from(tensors, ([key, tensor]) => {
        const parameter = this.#names.get(parameterOf(key));
        return [key, parameter ? noGrad(() => change(tensor, this.#numExperts.get(parameter)!)) : tensor];
      }),
    );
  }

  #replace(change: (parameter: nn.Parameter, numExperts: number) => Tensor): void {
    for (const [parameter, numExperts] of this.#numExperts) {
      parameter.grad = null;
      scope(() => {
        noGrad(() => {
          parameter.moveTo(change(parameter, numExperts));
        });
      });
    }
  }

  #rowsOf(rank: number, whole: Tensor, numExperts: number): Tensor {
    const { start, count } = expertsOfRank(numExperts, rank, this.#group.size);
    return whole.narrow(0, start, count);
  }

  #gathered(own: Tensor, numExperts: number): Tensor {
    const whole = own.newEmpty([numExperts, ...own.shape.slice(1)]);
    this.#rowsOf(this.#group.rank, whole, numExperts).copy_(own);
    for (let rank = 0; rank < this.#group.size; rank++)
      this.#group.broadcast(this.#rowsOf(rank, whole, numExperts), rank).wait();
    return whole;
  }
}

/** @throws Error where a mixture of the network has its experts shared out, which `purpose` wants whole */
export function assertWholeExperts(network: nn.Module, purpose: string): void {
  for (const [, layer] of network.namedModules())
    if (layer instanceof MoELinear && layer.expertGroup)
      throw new Error(`the experts of a mixture are shared out over ranks; gather them before ${purpose}`);
}

function gradientsOf(parameters: readonly nn.Parameter[]): Tensor[] {
  return parameters.flatMap(({ grad }) => grad ?? []);
}

function squaredNorm(gradients: readonly Tensor[]): number {
  if (gradients.length === 0) return 0;
  return ops.stack(ops._foreachNorm(gradients)).to('float64').square().sum().item();
}
