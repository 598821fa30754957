/**
 * The sum over the chosen experts of a mixture, Σ_i gate_i · (x·W_iᵀ + b_i), by the plan that its layer asks for, or
 * else the fastest (method.md §4).
 */
import { isGradEnabled, ops, type nn, type Tensor } from '@padnet/torch';
import { VersionCache, type ParameterSource, type PartialSource } from '../partial/index.js';
import { joinColumns, selectColumns, splitColumns } from './columns.js';
import { groupedExperts } from './groupedExperts.js';
import { maskStructure, type MaskStructure } from './maskStructure.js';
import { fusedExperts, isFusable } from './nativeOperators.js';

/**
 * - `fused`: our own kernels (`native/experts/`), float32 and float64 on the CPU.
 * - `composed`: libtorch's operators, one product an expert.
 * - `dense`: libtorch's operators, every expert for every token. The gradient can be differentiated again.
 */
export type ExpertPlan = 'fused' | 'composed' | 'dense';

/** The part of a layer that its computation reads at every pass, so that it follows changes. */
export interface ComputedMixture {
  /** The source of weights [outFeatures, inFeatures]. */
  readonly source: ParameterSource;
  /** [E, outFeatures] */
  readonly biasBank: nn.Parameter | null;
  /** Null for the fastest. */
  readonly plan: ExpertPlan | null;
  readonly training: boolean;
}

/** The experts of each token, and their weights. */
export interface ExpertChoice {
  /** [tokens, k] int64 */
  readonly experts: Tensor;
  /** [tokens, k] */
  readonly weights: Tensor;
  /** [tokens, E], 0 where an expert is not chosen */
  readonly gates: Tensor;
}

export class ExpertMixture {
  readonly #layer: ComputedMixture;
  readonly #structure = new VersionCache<MaskStructure>();

  constructor(layer: ComputedMixture) {
    this.#layer = layer;
  }

  planFor(tokens: Pick<Tensor, 'device' | 'dtype'>): ExpertPlan {
    return this.#layer.plan ?? (isFusable(tokens) ? 'fused' : 'composed');
  }

  /** How the dynamic entries of a source lie. */
  structureOf(source: PartialSource): MaskStructure {
    return this.#structure.get([source.maskBits], () => maskStructure(source.maskTensor()));
  }

  /** [tokens, inFeatures] → [tokens, outFeatures] */
  mix(tokens: Tensor, choice: ExpertChoice): Tensor {
    const { source, biasBank } = this.#layer;
    const { experts, weights, gates } = choice;
    const plan = this.planFor(tokens);
    if (plan === 'dense') return this.dense(tokens, gates);
    const chosen = { tokens, experts, weights, biasBank };
    const [outFeatures = 0] = source.shape;
    const compact = source.compact();
    if (compact && plan === 'fused') return fusedExperts({ ...chosen, ...compact, outFeatures });
    if (source.kind === 'partial') return this.partial(source, tokens, choice);
    const { bank, scale, constant } = source.effective(true);
    if (bank === null) return staticLinear(tokens, constant!, gates, biasBank);
    return plan === 'fused'
      ? fusedExperts({ ...chosen, bank, scale, staticPart: null, outFeatures })
      : groupedExperts({ ...chosen, bank, scale, part: { kind: 'all' } });
  }

  private dense(tokens: Tensor, gates: Tensor): Tensor {
    const { source, biasBank } = this.#layer;
    const { bank, scale, constant } = source.effective(true);
    if (!bank) return staticLinear(tokens, constant!, gates, biasBank);
    const scaled = scale ? gates.mul(scale) : gates;
    const outputs = ops.matmul(tokens, bank.transpose(1, 2)).mul(scaled.t().unsqueeze(2)).sum([0]);
    return biasBank ? outputs.add(ops.matmul(gates, biasBank)) : outputs;
  }

  /** By what the mask's structure allows: see docs/moe-layers.md. */
  private partial(source: PartialSource, tokens: Tensor, { experts, weights, gates }: ExpertChoice): Tensor {
    const { biasBank, training } = this.#layer;
    const { bank, scale, staticPart } = source.compact();
    const structure = this.structureOf(source);
    const [outFeatures = 0] = source.shape;
    const chosen = { tokens, experts, weights, scale, biasBank };
    const part = { kind: 'all' } as const;
    /** The dynamic rows or columns of each expert, which the bank has one after another. */
    const lines = (rows: number): Tensor => bank.reshape([source.numKernels, rows, -1]);
    const staticLines = (rows: number): Tensor => staticPart.weight.mul(staticPart.scale).reshape([rows, -1]);
    switch (structure.kind) {
      case 'full':
        return groupedExperts({ ...chosen, bank: lines(outFeatures), part });
      case 'empty':
        return staticLinear(tokens, staticLines(outFeatures), gates, biasBank);
      case 'rows': {
        const { dynamic: dynamicRows, static: staticRows } = structure;
        const biases = (rows: Tensor): Tensor | null => biasBank && selectColumns(biasBank, rows);
        const dynamicBank = lines(dynamicRows.numel);
        const dynamic = groupedExperts({ ...chosen, bank: dynamicBank, part, biasBank: biases(dynamicRows) });
        const fromStatic = staticLinear(tokens, staticLines(staticRows.numel), gates, biases(staticRows));
        return joinColumns(dynamic, fromStatic, structure);
      }
      case 'columns': {
        const [dynamicTokens, staticTokens] = splitColumns(tokens, structure);
        const dynamic = groupedExperts({ ...chosen, tokens: dynamicTokens, bank: lines(outFeatures), part });
        return dynamic.add(ops.linear(staticTokens, staticLines(outFeatures)));
      }
      case 'entries': {
        if (!training && !isGradEnabled())
          return groupedExperts({ ...chosen, bank: source.effective(true).bank!, part });
        // The weights of a token sum to 1, so what is added to all experts, times scale, is added once.
        const staticScale = scale ? staticPart.scale.div(scale) : staticPart.scale;
        const entries = { kind: 'entries', staticWeight: staticPart.weight, staticScale, ...source.entries() } as const;
        return groupedExperts({ ...chosen, bank, part: entries });
      }
      default:
        return structure satisfies never;
    }
  }
}

/** x·Wᵀ + Σ_i gate_i b_i */
function staticLinear(tokens: Tensor, weight: Tensor, gates: Tensor, biasBank: Tensor | null): Tensor {
  if (!biasBank) return ops.linear(tokens, weight);
  return ops.addmm(ops.matmul(gates, biasBank), tokens, weight.t());
}
