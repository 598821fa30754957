/**
 * A linear layer that is a mixture of experts (method.md §1, §2): for each token only the k chosen experts are computed.
 * Static, dynamic and partial layers differ by their parameter source alone.
 *
 *     y = Σ_i gate_i(x) · (x·W_iᵀ + b_i),   gates from the router, W_i from the source
 */
import { isGradEnabled, nn, ops, randn, type Tensor } from '@padnet/torch';
import type { NoisyTopK } from '../dynamic/index.js';
import { fusedExperts, isFusable } from '../compute/nativeOperators.js';
import { numEntries, scaleFactors, VersionCache, type ParameterSource, type PartialSource } from '../partial/index.js';
import { joinColumns, selectColumns, splitColumns } from '../compute/columns.js';
import { groupedExperts } from '../compute/groupedExperts.js';
import { maskStructure, type MaskStructure } from '../compute/maskStructure.js';
import { Routing, type RoutingDecision, type RoutingLevel } from './routing.js';

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

/**
 * - `fused`: our own kernels (`native/experts/`), float32 and float64 on the CPU.
 * - `composed`: libtorch's operators, one product an expert.
 * - `dense`: libtorch's operators, every expert for every token. The gradient can be differentiated again.
 */
export type ExpertPlan = 'fused' | 'composed' | 'dense';

/** What the experts of each real token are weighted by. */
interface Choice {
  /** [tokens, k] int64 */
  readonly experts: Tensor;
  /** [tokens, k] */
  readonly weights: Tensor;
  /** [tokens, E], 0 where an expert is not chosen */
  readonly gates: Tensor;
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
  readonly #structure = new VersionCache<MaskStructure>();

  /** @throws RangeError where router and source differ in the number of experts */
  constructor({ router, source, biasBank = null, routing = 'token', numTasks = 1 }: MoELinearOptions) {
    super();
    const numExperts = 'bank' in source && source.bank instanceof nn.Parameter ? source.bank.shape[0]! : null;
    if (numExperts !== null && numExperts !== router.numExperts)
      throw new RangeError(`the router chooses from ${router.numExperts} experts, the source has ${numExperts}`);
    this.router = router;
    this.source = source;
    this.biasBank = biasBank && new nn.Parameter(biasBank);
    this.routing = routing;
    const [, inFeatures = 0] = source.shape;
    this.taskEmbedding = routing === 'task' ? new nn.Parameter(randn([numTasks, inFeatures])) : null;
  }

  /**
   * [batch, length, inFeatures] or [tokens, inFeatures], which is one sentence unless `routing.tokenMask` says otherwise → the
   * same with outFeatures; 0 at padding. Its decision is added to `routing`.
   *
   * @throws RangeError where the mask has another number of tokens, or the layer has no such task
   */
  forward(input: Tensor, routing: Routing = new Routing()): Tensor {
    const { tokenMask } = routing;
    const [outFeatures = 0, inFeatures = 0] = this.source.shape;
    const flat = input.reshape([-1, inFeatures]);
    const numTokens = flat.shape[0]!;
    if (tokenMask && tokenMask.numel !== numTokens) {
      throw new RangeError(`a token mask [${tokenMask.shape.join(', ')}] for ${numTokens} tokens`);
    }
    const real = tokenMask && ops.nonzero(tokenMask.reshape([-1])).reshape([-1]);
    const tokens = real ? flat.indexSelect(0, real) : flat;
    const length = tokenMask ? tokenMask.shape.at(-1)! : input.shape.at(-2)!;
    const decision = this.decide(tokens, real, length, routing);
    routing.decisions.push(decision);
    const output = this.mixture(tokens, choiceOf(decision));
    const all = real ? ops.indexCopy(flat.newZeros([numTokens, outFeatures]), 0, real, output) : output;
    return all.reshape([...input.shape.slice(0, -1), outFeatures]);
  }

  /** The plan for tokens like these: `plan`, else the native kernels wherever they can run. */
  planFor(tokens: Pick<Tensor, 'device' | 'dtype'>): ExpertPlan {
    return this.plan ?? (isFusable(tokens) ? 'fused' : 'composed');
  }

  /**
   * Multiplications that one forward pass executes in evaluation for an input of `shape` [batch, length, inFeatures] or
   * [tokens, inFeatures] without padding: router, experts, static part and biases.
   */
  countMacs(shape: readonly number[]): number {
    const [outFeatures = 0, inFeatures = 0] = this.source.shape;
    const numTokens = numEntries(shape.slice(0, -1));
    const decided = { token: numTokens, sentence: shape.length === 2 ? 1 : shape[0]!, task: 1 }[this.routing];
    // Where only some entries of a row are dynamic, each chosen expert is computed whole, static entries merged into it.
    const isStructured = this.source.kind === 'partial' && this.structureOf(this.source).kind !== 'entries';
    const ratio = this.source.kind === 'static' ? 0 : isStructured ? this.source.dynamicRatio : 1;
    const experts = numTokens * outFeatures * inFeatures * (ratio * this.router.k + (1 - ratio));
    const biases = this.biasBank ? numTokens * this.biasBank.numel : 0;
    return this.router.countMacs(decided) + Math.round(experts) + biases;
  }

  /** @param real positions of the tokens among all, padding included; null where there is none */
  private decide(tokens: Tensor, real: Tensor | null, length: number, routing: Routing): RoutingDecision {
    const level = this.routing;
    const decided = (rows: Tensor, rowOf: Tensor | null): RoutingDecision => ({
      layer: this,
      level,
      rowOf,
      ...this.router.forward(rows),
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
          throw new RangeError(`task ${task} of a layer that routes by ${numTasks} tasks, from 0`);
        }
        const [numTokens = 0] = tokens.shape;
        // Without tokens nothing is decided.
        const rows = this.taskEmbedding!.narrow(0, task, Math.min(1, numTokens));
        return decided(rows, ops.zeros([numTokens], { dtype: 'int64', device: tokens.device }));
      }
      default:
        return level satisfies never;
    }
  }

  private mixture(tokens: Tensor, { experts, weights, gates }: Choice): Tensor {
    const { source, biasBank } = this;
    const plan = this.planFor(tokens);
    if (plan === 'dense') return this.dense(tokens, gates);
    const isFused = plan === 'fused';
    const chosen = { tokens, experts, weights, biasBank };
    const [outFeatures = 0] = source.shape;
    const compact = source.compact();
    if (compact && isFused) return fusedExperts({ ...chosen, ...compact, outFeatures });
    if (source.kind === 'partial') return this.partial(source, tokens, { experts, weights, gates });
    const { bank, scale, constant } = source.effective(true);
    if (bank && isFused) return fusedExperts({ ...chosen, bank, scale, fixed: null, outFeatures });
    if (bank) return groupedExperts({ tokens, experts, weights, bank, part: { kind: 'all' }, biasBank, scale });
    return this.fixed(tokens, constant!, gates, biasBank);
  }

  private dense(tokens: Tensor, gates: Tensor): Tensor {
    const { bank, scale, constant } = this.source.effective(true);
    if (!bank) return this.fixed(tokens, constant!, gates, this.biasBank);
    const scaled = scale ? gates.mul(scale) : gates;
    const outputs = ops.matmul(tokens, bank.transpose(1, 2)).mul(scaled.t().unsqueeze(2)).sum([0]);
    return this.biasBank ? outputs.add(ops.matmul(gates, this.biasBank)) : outputs;
  }

  /** By the plan that the mask's structure allows: see docs/moe-layers.md. */
  private partial(source: PartialSource, tokens: Tensor, { experts, weights, gates }: Choice): Tensor {
    const { biasBank } = this;
    const { bank, staticWeight } = source;
    const { dynamic: scale, static: fixedScale } = scaleFactors(source.phi, source.scaleMode);
    const structure = this.structureOf(source);
    const [outFeatures = 0, inFeatures = 0] = source.shape;
    const scaled = fixedScale ? staticWeight.mul(fixedScale) : staticWeight;
    const chosen = { experts, weights, scale };
    const part = { kind: 'all' } as const;
    /** The dynamic rows or columns of each expert, which the bank has one after another. */
    const lines = (rows: number): Tensor => bank.reshape([source.numKernels, rows, -1]);
    switch (structure.kind) {
      case 'full':
        return groupedExperts({ tokens, ...chosen, bank: lines(outFeatures), part, biasBank });
      case 'empty':
        return this.fixed(tokens, scaled.reshape([outFeatures, inFeatures]), gates, biasBank);
      case 'rows': {
        const { dynamic, fixed } = structure;
        const biases = (rows: Tensor): Tensor | null => biasBank && selectColumns(biasBank, rows);
        const moving = groupedExperts({
          tokens,
          ...chosen,
          bank: lines(dynamic.numel),
          part,
          biasBank: biases(dynamic),
        });
        const resting = this.fixed(tokens, scaled.reshape([fixed.numel, inFeatures]), gates, biases(fixed));
        return joinColumns(moving, resting, structure);
      }
      case 'columns': {
        const [dynamicTokens, fixedTokens] = splitColumns(tokens, structure);
        const moving = groupedExperts({ tokens: dynamicTokens, ...chosen, bank: lines(outFeatures), part, biasBank });
        return moving.add(ops.linear(fixedTokens, scaled.reshape([outFeatures, structure.fixed.numel])));
      }
      case 'entries': {
        if (!this.training && !isGradEnabled())
          return groupedExperts({ tokens, ...chosen, bank: source.effective(true).bank!, part, biasBank });
        // The weights of a token sum to 1, so what is added to all experts, times scale, is added once.
        const staticScale = scale ? (fixedScale ?? ops.onesLike(scale)).div(scale) : fixedScale;
        const entries = { kind: 'entries', staticWeight, staticScale, ...source.entries() } as const;
        return groupedExperts({ tokens, ...chosen, bank, part: entries, biasBank });
      }
      default:
        return structure satisfies never;
    }
  }

  private structureOf(source: PartialSource): MaskStructure {
    return this.#structure.get([source.maskBits], () => maskStructure(source.maskTensor()));
  }

  /** x·Wᵀ + Σ_i gate_i b_i */
  private fixed(tokens: Tensor, weight: Tensor, gates: Tensor, biasBank: Tensor | null): Tensor {
    if (!biasBank) return ops.linear(tokens, weight);
    return ops.addmm(ops.matmul(gates, biasBank), tokens, weight.t());
  }
}

/** Of each token, though a sentence or the task may have decided for it. */
function choiceOf({ experts, weights, gates, rowOf }: RoutingDecision): Choice {
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
