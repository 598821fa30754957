/**
 * A linear layer that is a mixture of experts (method.md §1, §2): for each token only the k chosen experts are
 * computed. Static, dynamic and partial layers differ by their parameter source alone.
 *
 *     y = Σ_i gate_i(x) · (x·W_iᵀ + b_i),   gates from the router, W_i from the source
 */
import { nn, ops, randn, type Tensor } from '@padnet/torch';
import { sharedBatch, type ProcessGroup } from '@padnet/torch/distributed';
import { exchangedExperts } from '../compute/exchangedExperts.js';
import { ExpertMixture, type ExpertChoice, type ExpertPlan } from '../compute/expertMixture.js';
import type { NoisyTopK } from '../dynamic/index.js';
import { numEntries, type ParameterSource } from '../partial/index.js';
import { Routing, type RoutingDecision, type RoutingLevel } from './routing.js';

export interface MoELinearOptions {
  readonly router: NoisyTopK;
  /** The source of weights [outFeatures, inFeatures]. */
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
  /** How the layer is computed; null for the fastest way. */
  plan: ExpertPlan | null = null;
  /** The ranks that its experts are shared out over (`ExpertShards`); null where this process has all. */
  expertGroup: ProcessGroup | null = null;
  readonly #computation = new ExpertMixture(this);

  /** @throws RangeError where router and source differ in the number of experts */
  constructor({ router, source, biasBank = null, routing = 'token', numTasks = 1 }: MoELinearOptions) {
    super();
    const { numKernels } = source;
    if (numKernels !== null && numKernels !== router.numExperts)
      throw new RangeError(`the router chooses from ${router.numExperts} experts, the source has ${numKernels}`);
    this.router = router;
    this.source = source;
    this.biasBank = biasBank && new nn.Parameter(biasBank);
    this.routing = routing;
    const [, inFeatures = 0] = source.shape;
    this.taskEmbedding = routing === 'task' ? new nn.Parameter(randn([numTasks, inFeatures])) : null;
  }

  /**
   * [batch, length, inFeatures] or [tokens, inFeatures], which is one sentence unless `routing.tokenMask` says
   * otherwise → the same with outFeatures; 0 at padding. Its decision is added to `routing`.
   *
   * @throws RangeError where the mask has another number of tokens, or the layer has no such task; Error where its
   *   experts are shared out over ranks and these have no batch together
   */
  forward(input: Tensor, routing: Routing = new Routing()): Tensor {
    const { tokenMask } = routing;
    const [outFeatures = 0, inFeatures = 0] = this.source.shape;
    const flat = input.reshape([-1, inFeatures]);
    const numTokens = flat.shape[0]!;
    if (tokenMask && tokenMask.numel !== numTokens) {
      throw new RangeError(`expected a token mask for ${numTokens} tokens, got [${tokenMask.shape.join(', ')}]`);
    }
    const real = tokenMask && ops.nonzero(tokenMask.reshape([-1])).reshape([-1]);
    const tokens = real ? flat.indexSelect(0, real) : flat;
    const length = tokenMask ? tokenMask.shape.at(-1)! : input.shape.at(-2)!;
    const decision = this.decide(tokens, real, length, routing);
    routing.decisions.push(decision);
    const output = this.mix(tokens, choiceOf(decision));
    const all = real ? ops.indexCopy(flat.newZeros([numTokens, outFeatures]), 0, real, output) : output;
    return all.reshape([...input.shape.slice(0, -1), outFeatures]);
  }

  /** The plan for tokens like these: `plan`, else the native kernels wherever they can run. */
  planFor(tokens: Pick<Tensor, 'device' | 'dtype'>): ExpertPlan {
    return this.#computation.planFor(tokens);
  }

  /**
   * Multiplications that one forward pass executes in evaluation for an input of `shape` [batch, length, inFeatures] or
   * [tokens, inFeatures] without padding: router, experts, static part and biases.
   */
  countMacs(shape: readonly number[]): number {
    const [outFeatures = 0, inFeatures = 0] = this.source.shape;
    const numTokens = numEntries(shape.slice(0, -1));
    const decided = { token: numTokens, sentence: shape.length === 2 ? 1 : shape[0]!, task: 1 }[this.routing];
    // Where only some entries of a row are dynamic, each chosen expert is computed whole, static entries merged into
    // it.
    const isStructured =
      this.source.kind === 'partial' && this.#computation.structureOf(this.source).kind !== 'entries';
    const ratio = this.source.kind === 'static' ? 0 : isStructured ? this.source.dynamicRatio : 1;
    const experts = numTokens * outFeatures * inFeatures * (ratio * this.router.k + (1 - ratio));
    const biases = this.biasBank ? numTokens * this.biasBank.numel : 0;
    return this.router.countMacs(decided) + Math.round(experts) + biases;
  }

  private mix(tokens: Tensor, choice: ExpertChoice): Tensor {
    if (!this.expertGroup) return this.#computation.mix(tokens, choice);
    if (!sharedBatch())
      throw new Error(
        'the experts of a mixture are shared out over ranks, which have no batch together here; gather them first',
      );
    return exchangedExperts(this.expertGroup, tokens, choice, (rows, ofEach) => this.#computation.mix(rows, ofEach));
  }

  /** @param real positions of the tokens among all, padding included; null where there is none */
  private decide(tokens: Tensor, real: Tensor | null, length: number, routing: Routing): RoutingDecision {
    const level = this.routing;
    const decided = (rows: Tensor, rowOf: Tensor | null): RoutingDecision => ({
      layer: this,
      level,
      rowOf,
      ...this.router.forward(rows, undefined, level === 'task'),
    });
    switch (level) {
      case 'token':
        return decided(tokens, null);
      case 'sentence': {
        const positions = real ?? ops.arange(tokens.shape[0]!, { dtype: 'int64', device: tokens.device });
        return decided(...sentenceMeans(tokens, ops.floorDivide(positions, Math.max(1, length))));
      }
      case 'task': {
        const { task } = routing;
        const [numTasks = 0] = this.taskEmbedding!.shape;
        if (!(Number.isInteger(task) && task >= 0 && task < numTasks)) {
          throw new RangeError(`task must be a whole number from 0 to ${numTasks - 1}, got ${task}`);
        }
        const [numTokens = 0] = tokens.shape;
        // Without tokens nothing is decided; but other ranks may have some.
        const rows = this.taskEmbedding!.narrow(0, task, sharedBatch() ? 1 : Math.min(1, numTokens));
        return decided(rows, ops.zeros([numTokens], { dtype: 'int64', device: tokens.device }));
      }
      default:
        return level satisfies never;
    }
  }
}

/** The choice of each token, though a sentence or the task may have decided for it. */
function choiceOf({ experts, weights, gates, rowOf }: RoutingDecision): ExpertChoice {
  if (!rowOf) return { experts, weights, gates };
  const ofToken = (rows: Tensor): Tensor => rows.indexSelect(0, rowOf);
  return { experts: ofToken(experts), weights: ofToken(weights), gates: ofToken(gates) };
}

/**
 * @param sentenceOf the sentence of each token [tokens], ascending
 * @returns the mean token of each sentence that has any, and each token's row in it
 */
function sentenceMeans(tokens: Tensor, sentenceOf: Tensor): [means: Tensor, rowOf: Tensor] {
  const [, rowOf, counts] = ops.uniqueConsecutive(sentenceOf, { returnInverse: true, returnCounts: true });
  const sums = ops.indexAdd(tokens.newZeros([counts.shape[0]!, tokens.shape[1]!]), 0, rowOf, tokens);
  return [sums.div(counts.unsqueeze(1)), rowOf];
}
