/**
 * A linear layer that is a mixture of experts (method.md §1, §2): for each token only the k chosen experts are computed.
 * Static, dynamic and partial layers differ by their parameter source alone.
 *
 *     y = Σ_i gate_i(x) · (x·W_iᵀ + b_i),   gates from the router, W_i from the source
 */
import { nn, ops, randn, type Tensor } from '@padnet/torch';
import type { Gating, NoisyTopK, ParameterSource } from '../dynamic/index.js';
import { Routing } from './routing.js';

/** What chooses the experts: each token for itself, the mean of a sentence's tokens, or the task. */
export const routingLevels = ['token', 'sentence', 'task'] as const;
export type RoutingLevel = (typeof routingLevels)[number];

export interface MoELinearOptions {
  readonly router: NoisyTopK;
  /** Of weights [outFeatures, inFeatures]. */
  readonly source: ParameterSource;
  /** [E, outFeatures]; its memory is shared. @default null */
  readonly biasBank?: Tensor | null;
  /** @default 'token' */
  readonly routing?: RoutingLevel;
  /** Tasks to route by, of level `task`. @default 1 */
  readonly numTasks?: number;
}

export class MoELinear extends nn.Module {
  readonly router: NoisyTopK;
  readonly source: ParameterSource;
  /** [E, outFeatures] */
  readonly biasBank: nn.Parameter | null;
  readonly routing: RoutingLevel;
  /** [numTasks, inFeatures], what the router sees where routing is by task; else null */
  readonly taskEmbedding: nn.Parameter | null;

  constructor({ router, source, biasBank = null, routing = 'token', numTasks = 1 }: MoELinearOptions) {
    super();
    this.router = router;
    this.source = source;
    this.biasBank = biasBank && new nn.Parameter(biasBank);
    this.routing = routing;
    const [, inFeatures = 0] = source.shape;
    this.taskEmbedding = routing === 'task' ? new nn.Parameter(randn([numTasks, inFeatures])) : null;
  }

  /**
   * [batch, length, inFeatures] or [tokens, inFeatures] → the same with outFeatures; 0 at padding. Its decision is added to
   * `routing`.
   */
  forward(input: Tensor, routing: Routing = new Routing()): Tensor {
    const { tokenMask } = routing;
    const [outFeatures = 0, inFeatures = 0] = this.source.shape;
    const flat = input.reshape([-1, inFeatures]);
    const real = tokenMask && ops.nonzero(tokenMask.reshape([-1])).reshape([-1]);
    const tokens = real ? flat.indexSelect(0, real) : flat;
    const gating = this.router.forward(tokens);
    routing.decisions.push({ layer: this, ...gating });
    const output = this.mixture(tokens, gating);
    const all = real ? ops.indexCopy(flat.newZeros([flat.shape[0]!, outFeatures]), 0, real, output) : output;
    return all.reshape([...input.shape.slice(0, -1), outFeatures]);
  }

  private mixture(tokens: Tensor, { gates }: Gating): Tensor {
    const { bank, scale, constant } = this.source.effective(false);
    let output = this.biasBank ? ops.matmul(gates, this.biasBank) : null;
    if (bank) {
      const perExpert = ops.matmul(tokens.unsqueeze(0), bank.transpose(1, 2)); // [E, tokens, out]
      let mixed = perExpert.mul(gates.t().unsqueeze(2)).sum([0]);
      if (scale) mixed = mixed.mul(scale);
      output = output ? output.add(mixed) : mixed;
    }
    if (constant) {
      const fixed = ops.linear(tokens, constant);
      output = output ? output.add(fixed) : fixed;
    }
    return output!;
  }
}
