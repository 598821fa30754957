/** Early stopping: the best epoch's network, and whether any has come since. */
import { scope, type nn, type Tensor } from '@padnet/torch';

/** Goes into checkpoints. */
export interface BestState {
  readonly score: number;
  /** Epochs done when it was reached. */
  readonly epoch: number;
}

export class BestNetwork {
  readonly #patience: number;
  #state: BestState | null = null;
  #tensors = new Map<string, Tensor>();

  /** @param patience epochs without a better score after which training stops */
  constructor(patience: number) {
    this.#patience = patience;
  }

  get state(): BestState | null {
    return this.#state;
  }

  /** Copies, kept until a better network comes. */
  get tensors(): ReadonlyMap<string, Tensor> {
    return this.#tensors;
  }

  /** Keeps a copy of a network's weights where its score is the best so far. */
  offer(weights: nn.StateDict, state: BestState): void {
    if (this.#state === null || state.score > this.#state.score) this.load(state, weights);
  }

  hasStoppedImproving(epoch: number): boolean {
    return this.#state !== null && epoch - this.#state.epoch >= this.#patience;
  }

  /** Gives the network its best weights. @returns whether they are those of another epoch */
  restore(network: nn.Module, epoch: number): boolean {
    if (this.#state === null || this.#state.epoch === epoch) return false;
    network.loadStateDict(this.#tensors);
    return true;
  }

  /** As a checkpoint has it; the tensors are copied. */
  load(state: BestState, tensors: ReadonlyMap<string, Tensor>): void {
    for (const tensor of this.#tensors.values()) tensor[Symbol.dispose]();
    this.#state = state;
    this.#tensors = scope(() => new Map(Array.from(tensors, ([name, value]) => [name, value.detach().clone().keep()])));
  }
}
