/**
 * The knowledge that the mixtures of experts of one forward pass have beside their input, and their decisions
 * (method.md §1).
 */
import type { Tensor } from '@padnet/torch';
import type { Gating } from '../dynamic/index.js';

/**
 * The levels at which experts are chosen: by each token for itself, by the mean of a sentence's tokens, or by the task.
 */
export const routingLevels = ['token', 'sentence', 'task'] as const;
export type RoutingLevel = (typeof routingLevels)[number];

/**
 * The gates of one MoE layer. Rows are the real tokens in order, the sentences that have any, or the one task, by
 * `level`.
 */
export interface RoutingDecision extends Gating {
  readonly layer: object;
  readonly level: RoutingLevel;
  /** The row that decided for each real token, int64 [tokens]; null where each decided for itself. */
  readonly rowOf: Tensor | null;
}

export interface RoutingOptions {
  /** bool [batch, length], false for padding, which is routed to no expert; null: no padding. @default null */
  readonly tokenMask?: Tensor | null;
  /** The task of the batch, where layers route by task. @default 0 */
  readonly task?: number;
}

/** One object a forward pass. */
export class Routing {
  readonly tokenMask: Tensor | null;
  readonly task: number;
  /** In the order in which the layers ran; a layer that runs twice (ALBERT) decides twice. */
  readonly decisions: RoutingDecision[] = [];

  constructor({ tokenMask = null, task = 0 }: RoutingOptions = {}) {
    this.tokenMask = tokenMask;
    this.task = task;
  }

  /** Sum over the layers; null where none decided. */
  auxiliaryLoss(): Tensor | null {
    const [first, ...rest] = this.decisions.map((decision) => decision.auxiliaryLoss);
    return first ? rest.reduce((sum, loss) => sum.add(loss), first) : null;
  }
}
