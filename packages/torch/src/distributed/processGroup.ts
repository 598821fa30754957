/**
 * Process groups, as `torch.distributed`: the ranks of a program, one process each, that compute together. They are
 * c10d's, with Gloo for what lies in the memory of the processor.
 *
 *     const group = await ProcessGroup.open(rankEnvironment()!);
 *     group.allReduce(gradient).wait();
 *     group.close();
 *
 * Every rank makes the same calls in the same order. Beside them a thread tells the others that this rank lives and
 * watches one of them; where a rank is lost, each call of the others fails, naming it.
 */
import { setTimeout } from 'node:timers/promises';
import { fromTypedArray, tensor, type Tensor } from '../tensor.js';
import { scope } from '../scope.js';
import { uncloneable } from '../uncloneable.js';
import type { RankEnvironment } from './environment.js';
import { loadDistributed } from './library.js';
import * as operators from './operators.generated.js';

export interface ProcessGroupOptions {
  /** Seconds without a sign of life until a rank is taken for lost; that is no limit for a slow one. @default 2.5 */
  readonly lifeTimeout?: number;
  /** Seconds in which all ranks have to come, and to join each operation. @default 1800 */
  readonly timeout?: number;
  /**
   * Seconds after which a process whose group has failed is ended, whatever it computes, with exit code 75; 0 for
   * never. @default 0
   */
  readonly exitTimeout?: number;
  /** The network interface, such as `eth0`. @default GLOO_SOCKET_IFNAME, or the one that leads to `host` */
  readonly network?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The exit code of a process that was ended by `exitTimeout`, having said which rank is lost. */
export const LOST_EXIT_CODE = 75;

export type Reduction = 'sum' | 'max' | 'min';

/** A collective operation under way. Its tensors must not be touched before it is done. */
export class Work {
  readonly #handle: number;
  /** @internal */
  protected readonly uncloneable = uncloneable;

  /** @internal */
  constructor(handle: number) {
    this.#handle = handle;
  }

  /** @throws Error where a rank is lost */
  get isCompleted(): boolean {
    return ownReason(() => operators.isCompleted(this.#handle));
  }

  /**
   * Blocks until it is done; to be called once.
   *
   * @returns the seconds that it has waited @throws Error where a rank is lost
   */
  wait(): number {
    return ownReason(() => operators.wait(this.#handle));
  }
}

export class ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /** @internal for `GradientBuckets` */
  readonly handle: number;
  #isClosed = false;
  /** @internal */
  protected readonly uncloneable = uncloneable;

  private constructor(handle: number, { rank, size }: RankEnvironment) {
    this.handle = handle;
    this.rank = rank;
    this.size = size;
  }

  /**
   * Waits until all ranks have come.
   *
   * @throws Error where one does not come in time, rank 0 cannot be reached, or versions of libtorch differ; where
   *   `signal` is aborted
   */
  static async open(environment: RankEnvironment, options: ProcessGroupOptions = {}): Promise<ProcessGroup> {
    const { host, port, rank, size } = environment;
    const { lifeTimeout = 2.5, timeout = 1800, exitTimeout = 0, signal } = options;
    const { network = process.env.GLOO_SOCKET_IFNAME ?? '' } = options;
    loadDistributed();
    signal?.throwIfAborted();
    const handle = operators.open(host, port, network, rank, size, lifeTimeout, timeout, exitTimeout);
    try {
      while (!ownReason(() => operators.isOpen(handle))) await setTimeout(10, undefined, { signal });
    } catch (error) {
      operators.close(handle);
      throw error;
    }
    return new ProcessGroup(handle, environment);
  }

  /** The reason why the group has failed; null while it has not. */
  get failure(): string | null {
    return this.#isClosed ? null : operators.failure(this.handle) || null;
  }

  /** Makes every rank stop with `reason`, of which each learns the first. */
  fail(reason: string): void {
    if (!this.#isClosed) operators.fail(this.handle, reason);
  }

  /** Ends in order, or at once where the group has failed; every rank calls it after its last operation. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    operators.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Makes `tensor` the sum of those of all ranks, in place: the same bits everywhere. */
  allReduce(tensor: Tensor, reduction: Reduction = 'sum'): Work {
    return this.#start(() => operators.allReduce(this.handle, tensor, reduction));
  }

  /** Makes `tensor` that of rank `root`, in place. */
  broadcast(tensor: Tensor, root = 0): Work {
    return this.#start(() => operators.broadcast(this.handle, tensor, root));
  }

  /** @param output [ranks, …shape of `input`] is written to */
  allGather(output: Tensor, input: Tensor): Work {
    return this.#start(() => operators.allGather(this.handle, output, input));
  }

  /**
   * Gives each rank its rows, and gets rows of each.
   *
   * @param output [Σ outputRows, …] is written to: the rows of rank 0 first
   * @param input [Σ inputRows, …]: the rows for rank 0 first
   */
  allToAll(output: Tensor, input: Tensor, outputRows: readonly number[], inputRows: readonly number[]): Work {
    return this.#start(() => operators.allToAll(this.handle, output, input, outputRows, inputRows));
  }

  /** Waits until every rank has come here. */
  barrier(): void {
    this.sum([0]);
  }

  /** Σ over the ranks of numbers that they all give, in float64. */
  sum(values: readonly number[]): number[] {
    return this.#reduced(values, 'sum');
  }

  /** The largest over the ranks of numbers that they all give. */
  max(values: readonly number[]): number[] {
    return this.#reduced(values, 'max');
  }

  /** A number of each rank, in their order. */
  gather(value: number): number[] {
    return this.sum(Array.from({ length: this.size }, (_, rank) => (rank === this.rank ? value : 0)));
  }

  /** What rank `root` gives, on all ranks; a value that JSON can tell. */
  broadcastJson(value: unknown, root = 0): unknown {
    const bytes = this.rank === root ? new TextEncoder().encode(JSON.stringify(value)) : new Uint8Array();
    return JSON.parse(new TextDecoder().decode(this.broadcastBytes(bytes, root)));
  }

  /** The bytes of rank `root`, on all ranks. */
  broadcastBytes(bytes: Uint8Array, root = 0): Uint8Array {
    const [length = 0] = this.max([this.rank === root ? bytes.length : 0]);
    if (length === 0) return new Uint8Array();
    return scope(() => {
      const data = this.rank === root ? bytes : new Uint8Array(length);
      const shared = fromTypedArray(data, [length]);
      this.broadcast(shared, root).wait();
      return shared.toTypedArray() as Uint8Array;
    });
  }

  #reduced(values: readonly number[], reduction: Reduction): number[] {
    return scope(() => {
      const all = tensor([...values], { dtype: 'float64' });
      this.allReduce(all, reduction).wait();
      return Array.from(all.toTypedArray() as Float64Array);
    });
  }

  #start(begin: () => number): Work {
    if (this.#isClosed) throw new Error('the process group is closed');
    return new Work(ownReason(begin));
  }
}

/** With the reason alone, where the names of operators say nothing. */
export function ownReason<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replace(/^padnet_distributed::\w+: /, '');
    throw error;
  }
}
