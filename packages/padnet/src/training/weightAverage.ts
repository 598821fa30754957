/**
 * An exponential moving average of a network's parameters, which generalises better than the last step's (Polyak and
 * Juditsky 1992; Tarvainen and Valpola 2017). After update t, from 0:
 *
 *     average ← d · average + (1 − d) · parameter,   d = min(decay, (1 + t) / (10 + t))
 *
 * The smaller decay at first, as TensorFlow's, lets random initial weights be forgotten within the first steps.
 * Buffers, such as the statistics of batch norm, are averages already: the network's own are used.
 */
import { noGrad, ops, scope, type nn, type Tensor } from '@padnet/torch';

export class WeightAverage {
  readonly #network: nn.Module;
  readonly #decay: number;
  #updates = 0;
  #averages = new Map<nn.Parameter, Tensor>();

  /** Starts from the parameters as they are. */
  constructor(network: nn.Module, decay: number) {
    this.#network = network;
    this.#decay = decay;
    this.restart();
  }

  /** Since it was started. */
  get updates(): number {
    return this.#updates;
  }

  /** By the parameters' names: for checkpoints. */
  get tensors(): Map<string, Tensor> {
    return new Map(
      Array.from(this.#network.namedParameters(), ([name, parameter]) => [name, this.#averages.get(parameter)!]),
    );
  }

  /**
   * Starts again from the parameters as they are, for a network that has got its masks: entries that became static have
   * no past, and an average of some layers over another time than that of the others is no point near the path of
   * training.
   */
  restart(): void {
    for (const average of this.#averages.values()) average[Symbol.dispose]();
    this.#updates = 0;
    this.#averages = scope(
      () => new Map(Array.from(this.#network.parameters(), (each) => [each, each.detach().clone().keep()])),
    );
  }

  /** After every step of the optimizer. */
  update(): void {
    const decay = Math.min(this.#decay, (1 + this.#updates) / (10 + this.#updates));
    const averages = [...this.#averages.values()];
    noGrad(() => {
      ops._foreachMul_(averages, decay);
      ops._foreachAdd_(averages, [...this.#averages.keys()], { alpha: 1 - decay });
    });
    this.#updates++;
  }

  /** The weights that are tested and kept: averages for parameters, and the network's own buffers. */
  stateDict(): Map<string, Tensor> {
    const averages: ReadonlyMap<Tensor, Tensor> = this.#averages;
    return new Map(Array.from(this.#network.stateDict(), ([name, value]) => [name, averages.get(value) ?? value]));
  }

  /** Runs `body` while the network has the averages as its parameters. It gets its own back, bit for bit. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    this.#exchange();
    try {
      return await body();
    } finally {
      this.#exchange();
    }
  }

  /**
   * As a checkpoint has it; the tensors are copied.
   *
   * @throws RangeError naming an average that is missing or does not fit
   */
  load(updates: number, tensors: ReadonlyMap<string, Tensor>): void {
    this.restart();
    this.#updates = updates;
    for (const [name, average] of this.tensors) {
      const saved = tensors.get(name);
      if (saved?.shape.join() !== average.shape.join()) throw new RangeError(`missing the average of ${name}`);
      noGrad(() => average.copy_(saved));
    }
  }

  #exchange(): void {
    noGrad(() => {
      for (const [parameter, average] of this.#averages) {
        scope(() => {
          const own = parameter.clone(); // one at a time, so that no third copy of the network is held
          parameter.copy_(average);
          average.copy_(own);
        });
      }
    });
  }
}
