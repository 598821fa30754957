/**
 * What the mixtures of experts of a trained network do with a data set: how evenly each layer uses its experts, and which
 * tokens each of them gets.
 */
import type { RoutingLevel } from '../layers/index.js';

export interface ExpertLayer {
  readonly path: string;
  readonly level: RoutingLevel;
  /** Each expert's share of all gates: [E], sum 1. */
  readonly shares: readonly number[];
  /** Entropy of `shares` over ln E: 1 where all are used evenly, 0 where one is used alone. */
  readonly loadEntropy: number;
  /** Mean entropy of a token's k gates over ln k. */
  readonly gateEntropy: number;
}

export interface TypicalToken {
  readonly token: string;
  /** How often it occurs. */
  readonly count: number;
  /** The expert's mean gate for this token over its mean gate for all tokens. */
  readonly lift: number;
}

export interface TypicalTokens {
  readonly path: string;
  /** [E][most typical first] */
  readonly experts: readonly (readonly TypicalToken[])[];
}

export interface ExpertLoad {
  /** What it was measured on. */
  readonly sentences: number;
  readonly tokens: number;
  /** In the order of the network. */
  readonly layers: readonly ExpertLayer[];
  /** Of the first, middle and last layer. */
  readonly typical: readonly TypicalTokens[];
}
