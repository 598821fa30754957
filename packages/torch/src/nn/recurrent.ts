/**
 * Layers that go through a sequence step by step, as `torch.nn.LSTM` and `torch.nn.GRU`. At each time, with input x,
 * state h and the logistic function σ:
 *
 *     LSTM   i, f, o = σ(W x + b + U h + c), g = tanh(W x + b + U h + c);   s ← f s + i g,   h ← o tanh(s)
 *     GRU    r, z = σ(W x + b + U h + c), n = tanh(W x + b + r (U h + c));   h ← (1 − z) n + z h
 *
 * each gate with weights of its own, one below the other in `weight_ih` (W), `weight_hh` (U), `bias_ih` (b) and
 * `bias_hh` (c), in PyTorch's order: i, f, g, o and r, z, n. (Hochreiter and Schmidhuber 1997; Cho et al. 2014;
 * projections: Sak et al. 2014.)
 */
import { empty } from '../creation.js';
import { withOwnRandom } from '../distributed/sharedBatch.js';
import { gru, lstm } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkRange, checkWhole } from './checks.js';
import { defaultUniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface GRUOptions {
  /** Features of the input. */
  readonly inputSize: number;
  /** Features of the state. */
  readonly hiddenSize: number;
  /** Layers, each of which goes through the outputs of the one before. @default 1 */
  readonly numLayers?: number;
  /** @default true */
  readonly bias?: boolean;
  /**
   * Whether sequences are [batch, length, features] rather than [length, batch, features]; states are as they are.
   *
   * @default false
   */
  readonly batchFirst?: boolean;
  /** Probability of zero in the outputs of each layer but the last, while training. @default 0 */
  readonly dropout?: number;
  /**
   * Whether a second layer beside each goes through the sequence backwards; their outputs lie side by side.
   *
   * @default false
   */
  readonly bidirectional?: boolean;
}

export interface LSTMOptions extends GRUOptions {
  /** Features that h is projected to, less than hiddenSize; 0 for no projection. @default 0 */
  readonly projSize?: number;
}

/** h and s */
export type LSTMState = readonly [hidden: Tensor, cell: Tensor];

/**
 * The base of recurrent layers. Parameters have PyTorch's names, such as `weight_ih_l0` and `bias_hh_l1_reverse`, and
 * start as U(±1/√hiddenSize).
 */
abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  readonly [name: `weight_${string}` | `bias_${string}`]: Parameter;

  /** @param gates rows of weights for each feature of the state */
  constructor(options: LSTMOptions, gates: number) {
    super();
    const { inputSize, hiddenSize, numLayers = 1, bias = true, batchFirst = false, dropout = 0 } = options;
    const { bidirectional = false, projSize = 0 } = options;
    for (const [name, value] of Object.entries({ inputSize, hiddenSize, numLayers })) checkWhole(name, value, 1);
    checkWhole('projSize', projSize, 0);
    if (projSize >= hiddenSize) {
      throw new RangeError(`projSize must be less than hiddenSize ${hiddenSize}, got ${projSize}`);
    }
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bias = bias;
    this.batchFirst = batchFirst;
    this.dropout = checkRange('dropout', dropout, 0, 1);
    this.bidirectional = bidirectional;
    this.projSize = projSize;
    for (const suffix of this.suffixes) {
      const width = suffix.startsWith('l0') ? inputSize : this.stateSize * this.directions;
      const shapes: [name: string, shape: number[]][] = [
        ['weight_ih', [gates * hiddenSize, width]],
        ['weight_hh', [gates * hiddenSize, this.stateSize]],
        ...(bias ? ['bias_ih', 'bias_hh'].map((name): [string, number[]] => [name, [gates * hiddenSize]]) : []),
        ...(projSize > 0 ? [['weight_hr', [projSize, hiddenSize]] as [string, number[]]] : []),
      ];
      for (const [name, shape] of shapes) {
        Object.assign(this, { [`${name}_${suffix}`]: new Parameter(defaultUniform_(empty(shape), hiddenSize)) });
      }
    }
  }

  /** The ending of parameter names for each layer and direction, in the order of libtorch's list of weights. */
  private get suffixes(): string[] {
    const directions = this.bidirectional ? ['', '_reverse'] : [''];
    return Array.from({ length: this.numLayers }, (_, layer) => directions.map((each) => `l${layer}${each}`)).flat();
  }

  private get directions(): number {
    return this.bidirectional ? 2 : 1;
  }

  /** Features of h. */
  protected get stateSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }

  protected weights(): Parameter[] {
    const parts = ['weight_ih', 'weight_hh', ...(this.bias ? ['bias_ih', 'bias_hh'] : [])];
    const all = this.projSize > 0 ? [...parts, 'weight_hr'] : parts;
    return this.suffixes.flatMap((suffix) => all.map((part) => this[`${part}_${suffix}` as `weight_${string}`]!));
  }

  /** Runs `compute`, which draws dropout where there is any. */
  protected drawing<T>(compute: () => T): T {
    return this.training && this.dropout > 0 ? withOwnRandom(compute) : compute();
  }

  /**
   * Runs `body` on a batch: one of one sequence where there was none.
   *
   * @param input [length, batch, inputSize], [batch, length, inputSize] where the batch is first, or [length,
   *   inputSize]
   * @param initial states that were given, with the sizes of their features; zeros where there are none
   * @param body from the input and the states to the output and the last states
   * @throws TypeError where a shape or dtype does not fit
   */
  protected onBatch(
    input: Tensor,
    initial: readonly (readonly [name: string, state: Tensor | undefined, size: number])[],
    body: (input: Tensor, states: Tensor[]) => Tensor[],
  ): Tensor[] {
    const name = this.constructor.name;
    const single = input.dim === 2;
    const batchDim = this.batchFirst ? 0 : 1;
    const order = this.batchFirst ? 'batch, length' : 'length, batch';
    if (!(single || input.dim === 3) || input.shape.at(-1) !== this.inputSize) {
      throw new TypeError(
        `${name} expects [${order}, ${this.inputSize}] or [length, ${this.inputSize}], got [${input.shape.join(', ')}]`,
      );
    }
    const batched = single ? input.unsqueeze(batchDim) : input;
    const batch = batched.shape[batchDim]!;
    const states = initial.map(([what, state, size]) => {
      const layers = this.numLayers * this.directions;
      if (!state) return batched.newZeros([layers, batch, size]);
      const expected = single ? [layers, size] : [layers, batch, size];
      if (state.shape.join() !== expected.join()) {
        throw new TypeError(
          `${name}: ${what} has shape [${state.shape.join(', ')}], expected [${expected.join(', ')}]`,
        );
      }
      return single ? state.unsqueeze(1) : state;
    });
    const [output, ...last] = body(batched, states);
    return single ? [output!.squeeze(batchDim), ...last.map((state) => state.squeeze(1))] : [output!, ...last];
  }
}

export class LSTM extends Recurrent {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: LSTMOptions) {
    super(options, 4);
  }

  /**
   * @param input [length, batch, inputSize]; [batch, length, inputSize] where the batch is first; [length, inputSize]
   *   without one
   * @param initial h [numLayers · directions, batch, hiddenSize or projSize] and s [numLayers · directions, batch,
   *   hiddenSize], without `batch` where the input has none. @default zeros
   * @returns h of the last layer at each time, [length, batch, directions · (hiddenSize or projSize)] in the input's
   *   order, and the last h and s of every layer
   * @throws TypeError where a shape does not fit, naming it
   */
  forward(input: Tensor, initial?: LSTMState): [output: Tensor, state: [hidden: Tensor, cell: Tensor]] {
    const { bias, numLayers, dropout, training, bidirectional, batchFirst, hiddenSize } = this;
    const states = [
      ['the initial hidden state', initial?.[0], this.stateSize],
      ['the initial cell state', initial?.[1], hiddenSize],
    ] as const;
    const [output, hidden, cell] = this.onBatch(input, states, (batched, given) =>
      this.drawing(() =>
        lstm(batched, given, this.weights(), bias, numLayers, dropout, training, bidirectional, batchFirst),
      ),
    );
    return [output!, [hidden!, cell!]];
  }
}

export class GRU extends Recurrent {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: GRUOptions) {
    super({ ...options, projSize: 0 }, 3);
  }

  /**
   * @param input [length, batch, inputSize]; [batch, length, inputSize] where the batch is first; [length, inputSize]
   *   without one
   * @param initial h [numLayers · directions, batch, hiddenSize], without `batch` where the input has none. @default
   *   zeros
   * @returns h of the last layer at each time, [length, batch, directions · hiddenSize] in the input's order, and the
   *   last h of every layer
   * @throws TypeError where a shape does not fit, naming it
   */
  forward(input: Tensor, initial?: Tensor): [output: Tensor, hidden: Tensor] {
    const { bias, numLayers, dropout, training, bidirectional, batchFirst, hiddenSize } = this;
    const [output, hidden] = this.onBatch(input, [['the initial state', initial, hiddenSize]], (batched, given) =>
      this.drawing(() =>
        gru(batched, given[0]!, this.weights(), bias, numLayers, dropout, training, bidirectional, batchFirst),
      ),
    );
    return [output!, hidden!];
  }
}
