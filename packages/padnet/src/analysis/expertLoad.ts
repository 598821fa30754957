/**
 * The decisions of a trained network's mixtures of experts on a data set: how evenly each layer uses its experts, and
 * which tokens each of them gets. Static networks have none.
 */
import { nn, noGrad, ops, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { TextLoader, type TextTokenizer, type TokenisedDataset } from '../data/index.js';
import { MoELinear, type RoutingDecision, type RoutingLevel } from '../layers/index.js';
import type { SequenceClassifier } from '../models/index.js';
import { textInputs } from '../training/index.js';
import { evenness } from '../training/routerStatistics.js';
import { firstMiddleLast } from './firstMiddleLast.js';
import { deadVariation, type RouterState } from './routerStates.js';

export interface ExpertLayer {
  readonly path: string;
  readonly level: RoutingLevel;
  /** Each expert's share of all gates: [E], sum 1. */
  readonly shares: readonly number[];
  /** Entropy of `shares` over ln E: 1 where all are used evenly, 0 where one is used alone. */
  readonly loadEntropy: number;
  /** How far tokens differ in their gates, see `RouterState.variation`. */
  readonly variation: number;
  /** Mean entropy of a token's k gates over ln k: 1 where they are equal, 0 where one takes all (and where k is 1). */
  readonly gateEntropy: number;
}

export interface TypicalToken {
  readonly token: string;
  /** How often it occurs. */
  readonly count: number;
  /** The expert's mean gate for this token over its mean gate for all tokens, to two digits after the point. */
  readonly lift: number;
}

export interface TypicalTokens {
  readonly path: string;
  /** [E][largest lift first, then the more frequent], only of lift above 1; none of an expert that is never used. */
  readonly experts: readonly (readonly TypicalToken[])[];
}

export interface ExpertLoad {
  /** The sentences that it was measured on. */
  readonly sentences: number;
  /** Special ones included. */
  readonly tokens: number;
  /** In the order of the network. */
  readonly layers: readonly ExpertLayer[];
  /** The typical tokens of the first, middle and last layer that has more than one expert. */
  readonly typical: readonly TypicalTokens[];
}

export interface ExpertLoadOptions {
  readonly tokenizer: TextTokenizer;
  /** The first so many sentences. @default 512 */
  readonly maxSentences?: number;
  /** Tokens that occur less often are not called typical of anything. @default 5 */
  readonly minCount?: number;
  /** Typical tokens of each expert, at most. @default 8 */
  readonly numTypical?: number;
  readonly signal?: AbortSignal | undefined;
}

const batchSize = 32;

/** What each router does; a layer that is routed by the task gives all tokens the same experts, as it should. */
export function expertRouterStates({ layers }: ExpertLoad): RouterState[] {
  return layers.map(({ path, level, shares, variation }) => ({
    path,
    variation,
    dead: level === 'task' || variation >= deadVariation ? null : shares.length === 1 ? 'oneKernel' : 'alike',
    unusedExperts: [...shares.keys()].filter((expert) => shares[expert] === 0),
  }));
}

/** Runs the network in evaluation mode; null where it has no mixture of experts. */
export async function expertLoad(
  network: SequenceClassifier,
  dataset: TokenisedDataset,
  { tokenizer, maxSentences = 512, minCount = 5, numTypical = 8, signal }: ExpertLoadOptions,
): Promise<ExpertLoad | null> {
  const tallies = talliesOf(network);
  if (tallies.size === 0) return null;
  const shown = firstSentences(dataset, maxSentences);
  const numTokens = shown.inputIds.length;
  using _mode = nn.evaluationMode(network);
  try {
    await using loader = new TextLoader({ dataset: shown, batchSize, groupByLength: true });
    for await (const batch of loader.epoch(0)) {
      signal?.throwIfAborted();
      scope(() => {
        noGrad(() => {
          const inputs = textInputs(batch);
          const tokenIds = inputs.inputIds.maskedSelect(inputs.attentionMask.to('bool'));
          for (const decision of network.forward(inputs).routing) tallies.get(decision.layer)!.add(decision, tokenIds);
        });
      });
    }
    const ran = [...tallies.values()].filter(({ numTokens }) => numTokens > 0);
    const choosing = ran.filter(({ numExperts }) => numExperts > 1);
    return {
      sentences: shown.length,
      tokens: numTokens,
      layers: ran.map((tally) => tally.summary()),
      typical: firstMiddleLast(choosing).map((tally) => tally.typical({ tokenizer, minCount, numTypical, numTokens })),
    };
  } finally {
    for (const tally of tallies.values()) tally[Symbol.dispose]();
  }
}

/** By layer. */
function talliesOf(network: SequenceClassifier): Map<object, LayerTally> {
  const tallies = new Map<object, LayerTally>();
  for (const [path, module] of network.namedModules()) {
    if (module instanceof MoELinear) tallies.set(module, new LayerTally(path, module, network.config.vocabSize));
  }
  return tallies;
}

interface TypicalOptions extends Required<Pick<ExpertLoadOptions, 'tokenizer' | 'minCount' | 'numTypical'>> {
  /** Tokens of the data set, each counted once. */
  readonly numTokens: number;
}

/** Sums over the tokens that a layer has seen; a layer that runs several times (ALBERT) sees them as often. */
class LayerTally implements Disposable {
  readonly numExperts: number;
  numTokens = 0;
  /** Gates by token id: [vocabulary, E]. */
  readonly #gates: Tensor;
  /** [vocabulary] */
  readonly #counts: Tensor;
  #gateEntropy = 0;
  #gateSquares = 0;

  constructor(
    readonly path: string,
    readonly layer: MoELinear,
    vocabSize: number,
  ) {
    this.numExperts = layer.router.numExperts;
    this.#gates = zeros([vocabSize, this.numExperts], { dtype: 'float64' });
    this.#counts = zeros([vocabSize], { dtype: 'float64' });
  }

  /** @param tokenIds of the real tokens in order, int64 [tokens] */
  add({ gates, weights, rowOf }: RoutingDecision, tokenIds: Tensor): void {
    const ofTokens = (rows: Tensor): Tensor => (rowOf ? rows.indexSelect(0, rowOf) : rows).to('float64');
    const numTokens = tokenIds.numel;
    this.#gates.indexAdd_(0, tokenIds, ofTokens(gates));
    this.#counts.indexAdd_(0, tokenIds, ops.ones([numTokens], { dtype: 'float64' }));
    this.#gateSquares += ofTokens(gates).square().sum().item();
    this.#gateEntropy += evenness(ofTokens(weights)).sum().item();
    this.numTokens += numTokens;
  }

  summary(): ExpertLayer {
    return scope(() => {
      const shares = this.#gates.sum([0], { keepdim: true }).div(this.numTokens);
      return {
        path: this.path,
        level: this.layer.routing,
        shares: shares.toArray(),
        variation: this.variationFrom(shares.square().sum().item()),
        loadEntropy: evenness(shares).item(),
        gateEntropy: this.#gateEntropy / this.numTokens,
      };
    });
  }

  /** @param meanSquares |ḡ|². The mean of |g − ḡ|² is that of |g|² less |ḡ|². */
  private variationFrom(meanSquares: number): number {
    return Math.sqrt(Math.max(0, this.#gateSquares / this.numTokens / meanSquares - 1));
  }

  typical({ tokenizer, minCount, numTypical, numTokens }: TypicalOptions): TypicalTokens {
    const { shares } = this.summary();
    const passes = this.numTokens / numTokens;
    return scope(() => {
      const frequent = ops.nonzero(this.#counts.ge(minCount * passes)).reshape([-1]);
      const counts = this.#counts.indexSelect(0, frequent).div(passes);
      const lifts = this.#gates
        .indexSelect(0, frequent)
        .div(counts.mul(passes).unsqueeze(1))
        .div(tensor(shares, { dtype: 'float64' }));
      const [ids, countOf, liftOf] = [frequent.toArray(), counts.toArray(), lifts.toArray()];
      const experts = shares.map((share, expert) => {
        if (share === 0) return [];
        const hundredths = (row: number): number => Math.round(100 * liftOf[row * shares.length + expert]!);
        const rows = ids.map((id, row) => ({ id, count: countOf[row]!, lift: hundredths(row) / 100 }));
        return rows
          .filter(({ lift }) => lift > 1)
          .sort((a, b) => b.lift - a.lift || b.count - a.count || a.id - b.id)
          .slice(0, numTypical)
          .map(({ id, count, lift }) => ({ token: tokenizer.tokens([id])[0]!, count, lift }));
      });
      return { path: this.path, experts };
    });
  }

  [Symbol.dispose](): void {
    this.#gates[Symbol.dispose]();
    this.#counts[Symbol.dispose]();
  }
}

function firstSentences(dataset: TokenisedDataset, count: number): TokenisedDataset {
  const length = Math.min(count, dataset.length);
  const numTokens = dataset.offsets[length]!;
  return {
    ...dataset,
    length,
    inputIds: dataset.inputIds.subarray(0, numTokens),
    tokenTypeIds: dataset.tokenTypeIds.subarray(0, numTokens),
    offsets: dataset.offsets.subarray(0, length + 1),
    labels: dataset.labels?.subarray(0, length) ?? null,
  };
}
