/**
 * The sum over the chosen experts, with a backward pass of its own (method.md §1, §2):
 *
 *     y_t = Σ_i w_ti · (scale · W_i x_t + b_i),   i over the k experts of token t
 *
 * Tokens are grouped by expert and each group is one matrix product. Autograd's composition would keep merged weights
 * and make a gradient of the whole bank for each expert; here one merged weight exists at a time, beside the bank and
 * its gradient.
 */
import { customFunction, isGradEnabled, ops, scope, Tensor } from '@padnet/torch';
import type { Entries } from '../partial/index.js';
import { groupByExpert, type ExpertGroup } from './expertGroups.js';
import { MergedExperts, WholeExperts, type ExpertWeights } from './expertWeights.js';

/** The part of the experts that is in the bank. */
export type ExpertPart =
  /** Whole experts. */
  | { readonly kind: 'all' }
  /** Their entries `dynamic`; the others, `static`, are `staticScale` (a scalar; null for 1) times `staticWeight`. */
  | ({
      readonly kind: 'entries';
      /** [n − d] */
      readonly staticWeight: Tensor;
      readonly staticScale: Tensor | null;
    } & Entries);

export interface GroupedExpertsInputs {
  /** x [tokens, in] */
  readonly tokens: Tensor;
  /** The chosen experts [tokens, k], int64. */
  readonly experts: Tensor;
  /** w [tokens, k] */
  readonly weights: Tensor;
  /** W [E, out, in], or [E, d] of some entries */
  readonly bank: Tensor;
  readonly part: ExpertPart;
  /** b [E, out]; null for none. */
  readonly biasBank: Tensor | null;
  /** A scalar; null for 1. */
  readonly scale: Tensor | null;
}

/** The operands that gradients are computed for. */
const differentiable = ['tokens', 'weights', 'bank', 'biasBank', 'scale', 'staticWeight', 'staticScale'] as const;
type Gradients = Partial<Record<(typeof differentiable)[number], Tensor | null>>;

/** All tensors of a forward pass, by name, so that they can be saved for backward. */
interface Operands {
  readonly tokens: Tensor;
  readonly weights: Tensor;
  readonly bank: Tensor;
  readonly biasBank?: Tensor;
  readonly scale?: Tensor;
  readonly staticWeight?: Tensor;
  readonly staticScale?: Tensor;
  readonly dynamic?: Tensor;
  readonly static?: Tensor;
  readonly experts: Tensor;
  /** See `ExpertGroups`. */
  readonly choices: Tensor;
  readonly tokenOf: Tensor;
}

/** @returns [tokens, out]. Its gradients can't be differentiated again. */
export function groupedExperts({ part, experts, ...inputs }: GroupedExpertsInputs): Tensor {
  const { groups, choices, tokens: tokenOf } = groupByExpert(experts, inputs.bank.shape[0]!);
  const present = Object.entries({ ...inputs, ...part, experts, choices, tokenOf }).filter(
    (entry): entry is [string, Tensor] => entry[1] instanceof Tensor,
  );
  const operands = Object.fromEntries(present) as unknown as Operands;
  const names = differentiable.filter((name) => operands[name] !== undefined);
  const [output] = customFunction<Tensor[]>({
    name: 'GroupedExperts',
    forward(context) {
      context.save(...present.map(([, tensor]) => tensor));
      return forward(operands, groups);
    },
    backward([gradient], saved) {
      if (isGradEnabled()) throw new Error('the gradients of a mixture of experts cannot be differentiated again');
      const unpacked = Object.fromEntries(present.map(([name], index) => [name, saved[index]!]));
      const gradients = backward(gradient!, unpacked as unknown as Operands, groups);
      return names.map((name) => gradients[name] ?? null);
    },
  })(...names.map((name) => operands[name]!));
  return output!;
}

function forward(operands: Operands, groups: readonly ExpertGroup[]): Tensor {
  const { tokens, biasBank, tokenOf } = operands;
  const [numTokens = 0] = tokens.shape;
  const numOutputs = outFeatures(operands);
  const output = biasBank ? ops.mm(gatesOf(operands), biasBank) : tokens.newZeros([numTokens, numOutputs]);
  const experts = expertWeights(operands);
  const { scaled } = sortedWeights(operands);
  const isNarrowing = numOutputs < tokens.shape[1]!; // weights go where there are fewer numbers
  // One buffer for all groups: fresh memory for each costs a tenth of the products' time.
  const outputs = tokens.newEmpty([largest(groups), numOutputs]);
  for (const { expert, start, count } of groups) {
    scope(() => {
      const index = tokenOf.narrow(0, start, count);
      const weight = scaled.narrow(0, start, count).unsqueeze(1);
      const input = tokens.indexSelect(0, index);
      if (!isNarrowing) input.mul_(weight);
      const product = ops.mm(input, experts.weight(expert).t(), { out: outputs.narrow(0, 0, count) });
      output.indexAdd_(0, index, isNarrowing ? product.mul_(weight) : product);
    });
  }
  return output;
}

function backward(gradient: Tensor, operands: Operands, groups: readonly ExpertGroup[]): Gradients {
  const { tokens, weights, bank, biasBank, scale, staticWeight, choices, tokenOf } = operands;
  const experts = expertWeights(operands);
  const { plain, scaled } = sortedWeights(operands);
  const tokensGradient = ops.zerosLike(tokens);
  const productGradient = ops.emptyLike(plain);
  const biasGradient = ops.zerosLike(plain);
  const bankGradient = ops.emptyLike(bank);
  const biasBankGradient = biasBank ? ops.zerosLike(biasBank) : null;
  const sum = staticWeight ? bank.newZeros([bank.shape[1]! + staticWeight.numel]) : null;
  const outputs = gradient.newEmpty([largest(groups), gradient.shape[1]!]);
  const isNarrowing = gradient.shape[1]! < tokens.shape[1]!;
  for (const { expert, start, count } of groups) {
    scope(() => {
      const ofGroup = (choices: Tensor): Tensor => choices.narrow(0, start, count);
      const index = ofGroup(tokenOf);
      const outputGradient = ops.indexSelect(gradient, 0, index, { out: outputs.narrow(0, 0, count) });
      const input = tokens.indexSelect(0, index);
      const weight = ofGroup(scaled).unsqueeze(1);
      // ∂L/∂w = ∂L/∂y · W x = (Wᵀ ∂L/∂y) · x, which spares keeping W x.
      const back = ops.mm(outputGradient, experts.weight(expert));
      ofGroup(productGradient).copy_(back.mul(input).sum([1]));
      tokensGradient.indexAdd_(0, index, back.mul_(weight));
      if (biasBank) {
        ofGroup(biasGradient).copy_(ops.mv(outputGradient, biasBank.select(0, expert)));
        biasBankGradient!.select(0, expert).copy_(ops.mv(outputGradient.t(), ofGroup(plain)));
      }
      (isNarrowing ? outputGradient : input).mul_(weight);
      experts.writeGradient(bankGradient.select(0, expert), outputGradient, input, sum);
    });
  }
  const used = new Set(groups.map(({ expert }) => expert));
  for (let expert = 0; expert < bank.shape[0]!; expert++) {
    if (!used.has(expert)) scope(() => bankGradient.select(0, expert).zero_());
  }
  const weightGradient = (scale ? productGradient.mul(scale) : productGradient).add(biasGradient);
  const staticGradients = sum && experts instanceof MergedExperts ? experts.staticGradients(sum) : null;
  return {
    tokens: tokensGradient,
    weights: ops.emptyLike(weightGradient).indexCopy_(0, choices, weightGradient).reshape(weights.shape),
    bank: bankGradient,
    biasBank: biasBankGradient,
    scale: scale ? ops.dot(productGradient, plain) : null,
    staticWeight: staticGradients?.weight ?? null,
    staticScale: staticGradients?.scale ?? null,
  };
}

function expertWeights({
  tokens,
  bank,
  dynamic,
  static: staticEntries,
  staticWeight,
  staticScale,
}: Operands): ExpertWeights {
  if (!staticWeight) return new WholeExperts(bank);
  const entries = { dynamic: dynamic!, static: staticEntries! };
  return new MergedExperts(bank, entries, staticWeight, staticScale ?? null, tokens.shape[1]!);
}

function outFeatures({ tokens, bank, staticWeight }: Operands): number {
  const [, size = 0] = bank.shape;
  return staticWeight ? (size + staticWeight.numel) / tokens.shape[1]! : size;
}

/** w and w · scale in the order of the groups, [tokens · k]. */
function sortedWeights({ weights, scale, choices }: Operands): { readonly plain: Tensor; readonly scaled: Tensor } {
  const plain = weights.reshape([-1]).indexSelect(0, choices);
  return { plain, scaled: scale ? plain.mul(scale) : plain };
}

/** w as [tokens, E], 0 where an expert is not chosen. */
function gatesOf({ weights, experts, bank }: Operands): Tensor {
  return ops.scatter(weights.newZeros([weights.shape[0]!, bank.shape[0]!]), 1, experts, weights);
}

function largest(groups: readonly ExpertGroup[]): number {
  return groups.reduce((most, { count }) => Math.max(most, count), 0);
}
