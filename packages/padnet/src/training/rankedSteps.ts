/**
 * Steps that several ranks take together: each computes the gradients of its part of a batch, and all get their sum
 * (method: data parallelism, Li et al. 2020, arXiv 2006.15704).
 */
import { optim, scope, zeros, type nn, type Tensor } from '@padnet/torch';
import { GradientBuckets } from '@padnet/torch/distributed';
import { RandomStream } from '../data/random.js';
import { InputError } from '../errors.js';
import { ExpertShards } from '../layers/index.js';
import type { Ranks } from '../ranks.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import { changesText } from '../runs/changes.js';
import { changesSince, weightsFingerprint, type Fingerprint } from '../runs/fingerprint.js';
import { distributedSchema, type TrainingOptions } from '../recipe/recipe.js';
import { parameterOf } from './partitionedState.js';
import type { StepOptimizer } from './shardedOptimizer.js';
import type { SampleBatch } from './task.js';

export class RankedSteps {
  readonly ranks: Ranks;
  readonly #network: nn.Module;
  readonly #seed: number;
  readonly #bucketBytes: number;
  readonly #sharesExperts: boolean;
  /** Null while every rank has all experts. */
  #shards: ExpertShards | null = null;
  #buckets: GradientBuckets | null = null;

  constructor(ranks: Ranks, network: nn.Module, { seed, distributed }: TrainingOptions) {
    this.ranks = ranks;
    this.#network = network;
    this.#seed = seed;
    const { bucketBytes, shardExperts } = distributedSchema.parse(distributed ?? {});
    this.#bucketBytes = bucketBytes;
    this.#sharesExperts = shardExperts;
  }

  /**
   * Before the first step: all ranks have the weights of rank 0.
   *
   * @throws InputError where this one would train something else
   */
  begin(own: Fingerprint, optimizer: StepOptimizer): void {
    const first = this.ranks.group.broadcastJson(own) as Fingerprint;
    // Machines may differ.
    const changes = changesSince(first, own).filter(({ what }) => !ownParts.includes(what));
    if (changes.length > 0)
      throw new InputError(`this rank would train something else than rank 0: ${changesText(changes)}`);
    this.networkChanged(optimizer);
  }

  /** The network has other parameters: they are made the same on all ranks, and new buckets for them. */
  networkChanged(optimizer: StepOptimizer): void {
    this.ranks.copyFromFirst(this.#network.stateDict().values());
    this.shareExperts(optimizer);
  }

  /** Where the recipe says so, each rank keeps its experts alone from here on, and what the optimizer has of them. */
  shareExperts(optimizer: StepOptimizer): void {
    const shards = this.#sharesExperts ? new ExpertShards(this.#network, this.ranks.group) : null;
    if (shards)
      scope(() => {
        const { tensors, numbers } = optimizer.stateDict();
        optimizer.loadStateDict({ tensors: shards.own(tensors, parameterOf), numbers });
      });
    this.#shards = shards;
    this.#buckets?.[Symbol.dispose]();
    const reduced = shards ? shards.others(this.#network) : this.#network.parameters();
    const parameters = reduced.filter(({ numel }) => numel > 0);
    this.#buckets = new GradientBuckets(this.ranks.group, parameters, this.#bucketBytes);
  }

  /** Every rank has all experts from here on. */
  gatherExperts(optimizer: StepOptimizer): void {
    const shards = this.#shards;
    if (!shards) return;
    const { tensors, numbers } = optimizer.stateDict();
    scope(() => {
      const whole = shards.whole(tensors, parameterOf);
      shards.gather();
      optimizer.loadStateDict({ tensors: whole, numbers });
    });
    this.#shards = null;
  }

  /** @throws Error where this rank's weights are not those of rank 0, which no step can lead to */
  assertSameWeights(step: number): void {
    const own = parseInt(weightsFingerprint(this.#network).slice(0, 12), 16);
    const other = this.ranks.group.gather(own).findIndex((each, _, [first]) => each !== first);
    if (other > 0)
      throw new Error(
        `after step ${step} rank ${other} has other weights than rank 0: its memory or its processor may be broken; ` +
          'go on from the last checkpoint, without that machine',
      );
  }

  /** Runs `body` while every rank has all experts. */
  async withExperts<T>(body: () => Promise<T>): Promise<T> {
    return await (this.#shards?.during(body) ?? body());
  }

  /** Whether a layer can be computed but in steps. */
  get hasWholeNetwork(): boolean {
    return this.#shards === null;
  }

  /** As `optim.clipGradNorm`, of all gradients on all ranks. */
  clipGradNorm(maxNorm: number): number {
    return (
      this.#shards?.clipGradNorm(this.#network, maxNorm) ?? optim.clipGradNorm(this.#network.parameters(), maxNorm)
    );
  }

  /** The size of the batch of which this rank has `batch`, and what that counts in it. Tells who is to stop. */
  wholeOf({ size, isPart = false }: SampleBatch): { readonly size: number; readonly share: number } {
    const sizes = this.ranks.agree(size);
    if (!isPart) return { size, share: 1 / this.ranks.size };
    const whole = sizes.reduce((sum, each) => sum + each, 0);
    return { size: whole, share: size / whole };
  }

  /** Runs forward and backward of a batch; with `isLast`, gradients are then the sums of all ranks'. */
  compute<T>({ index, isPart = false }: SampleBatch, epoch: number, isLast: boolean, body: () => T): T {
    if (isLast) this.#buckets!.start();
    // Shared experts are computed together even where each rank has all of the batch.
    const result = isPart || this.#shards ? this.ranks.shared(this.#ownSeed(epoch, index), body) : body();
    if (isLast) {
      this.#buckets!.finish();
      this.ranks.averageNorms(this.#network);
    }
    return result;
  }

  /** Decided by run, batch and rank alone: a run that is gone on with draws the same numbers. */
  #ownSeed(epoch: number, batch: number): number {
    const random = new RandomStream(this.#seed, 'dropout', epoch, batch);
    const seeds = Array.from({ length: this.ranks.size }, () => random.nextUint32());
    return seeds[this.ranks.rank]!;
  }
}

/** Parts of a fingerprint that are of one machine. */
const ownParts = [
  'threads',
  'processor',
  'instruction set',
  'OpenBLAS kernels',
  'oneDNN instruction set',
  'rates of plans',
];

/** The checkpoint that rank 0 has, on all ranks; null where it has none. */
export function sharedCheckpoint({ group }: Ranks, own: Checkpoint | null): Checkpoint | null {
  const tensors = own && Array.from(own.tensors, ([name, { shape, dtype }]) => ({ name, shape, dtype }));
  const told = group.broadcastJson(own && { file: own.file, state: own.state, tensors }) as {
    readonly file: string;
    readonly state: Checkpoint['state'];
    readonly tensors: NonNullable<typeof tensors>;
  } | null;
  if (told === null) return null;
  const shared = told.tensors.map(({ name, shape, dtype }): [string, Tensor] => {
    const tensor = own?.tensors.get(name)?.contiguous() ?? zeros(shape, { dtype });
    if (tensor.numel > 0) group.broadcast(tensor).wait();
    return [name, tensor];
  });
  return { file: told.file, state: told.state, tensors: new Map(shared) };
}
