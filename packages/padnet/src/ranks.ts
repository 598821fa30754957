/**
 * The processes that train one network together: what one of them knows of the others. Each has a part of every batch;
 * all make the same calls in the same order.
 */
import { Generator, noGrad, ops, scope, nn, type Tensor } from '@padnet/torch';
import { withSharedBatch, type ProcessGroup } from '@padnet/torch/distributed';

export class Ranks {
  readonly group: ProcessGroup;
  readonly syncBatchNorm: boolean;
  readonly #given: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #ownGenerator = new Generator(0);

  /** @param signal of this process alone */
  constructor(
    group: ProcessGroup,
    { syncBatchNorm = false, signal }: { syncBatchNorm?: boolean; signal?: AbortSignal | undefined } = {},
  ) {
    this.group = group;
    this.syncBatchNorm = syncBatchNorm;
    this.#given = signal;
  }

  get rank(): number {
    return this.group.rank;
  }

  get size(): number {
    return this.group.size;
  }

  /** Aborted at the same call of `agree` on every rank, once a signal of one of them is. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lets all ranks know whether one is to stop, and this rank's number to all. @returns the numbers of all ranks */
  agree(own = 0): number[] {
    const { rank, size } = this;
    const told = [
      this.#given?.aborted === true ? 1 : 0,
      ...Array.from({ length: size }, (_, each) => (each === rank ? own : 0)),
    ];
    const [aborted = 0, ...numbers] = this.group.sum(told);
    if (aborted > 0) this.#controller.abort(this.#given?.reason);
    return numbers;
  }

  /**
   * Runs forward and backward of a batch of which each rank has a part.
   *
   * @param seed of the random numbers that are to differ from rank to rank, those of dropout
   */
  shared<T>(seed: number, body: () => T): T {
    this.#ownGenerator.manualSeed(seed);
    const { group, syncBatchNorm } = this;
    return withSharedBatch({ group, syncBatchNorm, ownGenerator: this.#ownGenerator }, body);
  }

  /** Σ over the ranks of numbers of each, in place. */
  sum(values: Float32Array | Float64Array): void {
    values.set(this.group.sum([...values]));
  }

  /** Makes tensors those of rank 0. */
  copyFromFirst(tensors: Iterable<Tensor>): void {
    scope(() => {
      noGrad(() => {
        for (const tensor of tensors) {
          if (tensor.numel === 0) continue;
          const dense = tensor.detach().contiguous();
          this.group.broadcast(dense).wait();
          tensor.detach().copy_(dense);
        }
      });
    });
  }

  /** Makes the running statistics of batch norms the means of all ranks', which had other samples. */
  averageNorms(network: nn.Module): void {
    if (this.syncBatchNorm) return; // they are the same
    const statistics: Tensor[] = [];
    for (const [, module] of network.namedModules())
      if (module instanceof nn.BatchNorm)
        statistics.push(...[module.runningMean, module.runningVar].filter((each) => each !== null));
    if (statistics.length === 0) return;
    scope(() => {
      noGrad(() => {
        const flat = flattened(statistics);
        this.group.allReduce(flat).wait();
        flat.div_(this.size);
        copyFromFlat(flat, statistics);
      });
    });
  }
}

/** The numbers of tensors one after the other, to be sent at once: [Σ numel] */
export function flattened(tensors: readonly Tensor[]): Tensor {
  return ops.cat(tensors.map((tensor) => tensor.detach().reshape([-1])));
}

/** The inverse: tensors get their numbers of `flat`, in place. */
export function copyFromFlat(flat: Tensor, tensors: readonly Tensor[]): void {
  let start = 0;
  for (const tensor of tensors) {
    tensor.detach().copy_(flat.narrow(0, start, tensor.numel).reshape(tensor.shape));
    start += tensor.numel;
  }
}
