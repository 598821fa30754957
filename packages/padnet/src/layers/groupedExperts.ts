/**
 * The sum over the chosen experts, with a backward pass of its own (method.md §1, §2):
 *
 *     y_t = Σ_i w_ti · (scale · W_i x_t + b_i),   i over the k experts of token t
 *
 * Tokens are grouped by expert and each group is one matrix product. Autograd's composition would keep merged weights and
 * make a gradient of the whole bank for each expert; here one weight exists at a time, beside the bank and its gradient.
 */
import { customFunction, isGradEnabled, ops, scope, type Tensor } from '@padnet/torch';
import { groupByExpert, type ExpertGroup } from './expertGroups.js';

/** Which entries of an expert are computed. */
export type ExpertPart =
  | { readonly kind: 'all' }
  /** Rows `index` of each expert: outputs are [tokens, rows]. */
  | { readonly kind: 'rows'; readonly index: Tensor }
  /** Columns `index` of each expert: inputs are [tokens, columns]. */
  | { readonly kind: 'columns'; readonly index: Tensor }
  /** W_i under the mask (bool [out, in]), elsewhere the same constant [out, in] for every expert. */
  | { readonly kind: 'entries'; readonly mask: Tensor; readonly constant: Tensor };

export interface GroupedExpertsInputs {
  /** [tokens, in] */
  readonly tokens: Tensor;
  /** The chosen experts [tokens, k], int64. */
  readonly experts: Tensor;
  /** w [tokens, k] */
  readonly weights: Tensor;
  /** W [E, out, in] */
  readonly bank: Tensor;
  readonly part: ExpertPart;
  /** b [E, out], of the computed rows only; null for none. */
  readonly biasBank: Tensor | null;
  /** A scalar; null for 1. */
  readonly scale: Tensor | null;
}

/** What `customFunction` passes on. Absent ones are empty tensors. */
type Differentiable = [
  tokens: Tensor,
  weights: Tensor,
  bank: Tensor,
  biasBank: Tensor,
  scale: Tensor,
  constant: Tensor,
];
type Saved = [...Differentiable, experts: Tensor, choices: Tensor, tokenOf: Tensor, selection: Tensor];

/** @returns [tokens, out]. Its gradients can't be differentiated again. */
export function groupedExperts(inputs: GroupedExpertsInputs): Tensor {
  const { tokens, experts, weights, bank, part, biasBank, scale } = inputs;
  const none = tokens.newEmpty([0]);
  const differentiable: Differentiable = [
    tokens,
    weights,
    bank,
    biasBank ?? none,
    scale ?? none,
    part.kind === 'entries' ? part.constant : none,
  ];
  const wanted = differentiable.map((tensor) => tensor.requiresGrad);
  let groups: readonly ExpertGroup[] = [];
  const [output] = customFunction<Differentiable>({
    name: 'GroupedExperts',
    forward(context, ...saved) {
      const grouped = groupByExpert(experts, bank.shape[0]!);
      groups = grouped.groups;
      const selection = part.kind === 'entries' ? part.mask : part.kind === 'all' ? none : part.index;
      const all: Saved = [...saved, experts, grouped.choices, grouped.tokens, selection];
      context.save(...all);
      return forward(all, part.kind, groups);
    },
    backward([gradient], saved) {
      if (isGradEnabled()) throw new Error('the gradients of a mixture of experts can not be differentiated again');
      return backward(gradient!, saved as Saved, part.kind, groups, wanted);
    },
  })(...differentiable);
  return output!;
}

function forward(saved: Saved, kind: ExpertPart['kind'], groups: readonly ExpertGroup[]): Tensor {
  const [tokens, weights, bank, biasBank, , , experts, , tokenOf, selection] = saved;
  const [numExperts = 0, outFeatures = 0] = bank.shape;
  const outputs = kind === 'rows' ? selection.shape[0]! : outFeatures;
  const output =
    biasBank.dim === 2
      ? ops.mm(gatesOf(weights, experts, numExperts), biasBank)
      : tokens.newZeros([tokens.shape[0]!, outputs]);
  const weightOf = expertWeights(saved, kind);
  const inputWeights = sortedWeights(saved);
  for (const { expert, start, count } of groups) {
    scope(() => {
      const index = tokenOf.narrow(0, start, count);
      const input = tokens.indexSelect(0, index).mul_(inputWeights.narrow(0, start, count));
      output.indexAdd_(0, index, ops.mm(input, weightOf(expert).t()));
    });
  }
  return output;
}

function backward(
  gradient: Tensor,
  saved: Saved,
  kind: ExpertPart['kind'],
  groups: readonly ExpertGroup[],
  wanted: readonly boolean[],
): (Tensor | null)[] {
  const [tokens, weights, bank, biasBank, scale, constant, experts, choices, tokenOf, selection] = saved;
  const [ofTokens, ofWeights, ofBank, ofBiasBank, ofScale, ofConstant] = wanted;
  const weightOf = expertWeights(saved, kind);
  const inputWeights = sortedWeights(saved);
  const tokensGradient = ofTokens ? ops.zerosLike(tokens) : null;
  const inputWeightsGradient = ops.zerosLike(inputWeights);
  const bankGradient = ofBank || ofConstant ? ops.emptyLike(bank) : null;
  const constantGradient = ofConstant ? ops.zerosLike(constant) : null;
  const floatMask = kind === 'entries' ? selection.to(bank.dtype) : null;

  const chosen = new Set(groups.map(({ expert }) => expert));
  for (let expert = 0; expert < bank.shape[0]!; expert++) {
    if (bankGradient && (!chosen.has(expert) || kind === 'rows' || kind === 'columns'))
      scope(() => bankGradient.select(0, expert).zero_());
  }
  for (const { expert, start, count } of groups) {
    scope(() => {
      const index = tokenOf.narrow(0, start, count);
      const outputGradient = gradient.indexSelect(0, index);
      const input = tokens.indexSelect(0, index);
      const weight = inputWeights.narrow(0, start, count);
      // ∂L/∂w = ∂L/∂y · W x = (Wᵀ ∂L/∂y) · x, which spares keeping W x.
      const back = ops.mm(outputGradient, weightOf(expert));
      inputWeightsGradient.narrow(0, start, count).copy_(back.mul(input).sum([1], { keepdim: true }));
      tokensGradient?.indexAdd_(0, index, back.mul_(weight));
      if (!bankGradient) return;
      const expertGradient = bankGradient.select(0, expert);
      input.mul_(weight);
      if (kind === 'rows' || kind === 'columns') {
        expertGradient.indexCopy_(kind === 'rows' ? 0 : 1, selection, ops.mm(outputGradient.t(), input));
        return;
      }
      ops.mm(outputGradient.t(), input, { out: expertGradient });
      constantGradient?.add_(expertGradient);
      if (floatMask) expertGradient.mul_(floatMask);
    });
  }
  if (floatMask) constantGradient?.mul_(floatMask.neg().add_(1));

  const inChoiceOrder = ops.emptyLike(inputWeightsGradient).indexCopy_(0, choices, inputWeightsGradient);
  const weightsGradient = inChoiceOrder.reshape(weights.shape);
  const scaleGradient = ofScale ? weightsGradient.mul(weights).sum() : null;
  if (scale.dim === 0) weightsGradient.mul_(scale);
  const hasBias = biasBank.dim === 2;
  if (hasBias && ofWeights) weightsGradient.add_(ops.mm(gradient, biasBank.t()).gather(1, experts));
  const biasGradient = hasBias && ofBiasBank ? ops.mm(gatesOf(weights, experts, bank.shape[0]!).t(), gradient) : null;
  return [
    tokensGradient,
    ofWeights ? weightsGradient : null,
    ofBank ? bankGradient : null,
    biasGradient,
    scaleGradient,
    constantGradient,
  ];
}

/** Gives expert i's weight as it is computed with; the next call may overwrite it. */
function expertWeights(saved: Saved, kind: ExpertPart['kind']): (expert: number) => Tensor {
  const [, , bank, , , constant, , , , selection] = saved;
  switch (kind) {
    case 'all':
      return (expert) => bank.select(0, expert);
    case 'rows':
      return (expert) => bank.select(0, expert).indexSelect(0, selection);
    case 'columns':
      return (expert) => bank.select(0, expert).indexSelect(1, selection);
    case 'entries': {
      // lerp with 0 and 1 gives exactly one of its ends, a quarter of `where`'s time.
      const mask = selection.to(bank.dtype);
      const merged = ops.emptyLike(constant);
      return (expert) => ops.lerp(constant, bank.select(0, expert), mask, { out: merged });
    }
    default:
      return kind satisfies never;
  }
}

/** w · scale in the order of the groups, [tokens · k, 1]. */
function sortedWeights([, weights, , , scale, , , choices]: Saved): Tensor {
  const sorted = weights.reshape([-1, 1]).indexSelect(0, choices);
  return scale.dim === 0 ? sorted.mul(scale) : sorted;
}

/** [tokens, E], 0 where an expert is not chosen. */
function gatesOf(weights: Tensor, experts: Tensor, numExperts: number): Tensor {
  return ops.scatter(weights.newZeros([weights.shape[0]!, numExperts]), 1, experts, weights);
}
