/**
 * Partitions that cannot succeed, told by the recipe before anything is trained, not after the epochs that come before
 * the partition. Most often every score is 0 whatever the data. A score says what an entry's being dynamic does; it is
 * 0 where every input gets the same weight (one kernel, a router that does not see its input yet), or where the kernels
 * of a bank are all the same (copies that nothing has changed), and that weight is what the entry would be as a static
 * one.
 */
import type { nn } from '@padnet/torch';
import type { Router } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import { isDynamicConvolution, isSearched, type DynamicLayer } from '../layers/index.js';
import type { ModelOptions, TextModelOptions } from '../models/index.js';
import type { Modality, PartitionOptions, Recipe, RecipeOf } from './recipe.js';

/** Where in the recipe, and what is wrong there. */
export interface ForeseenFailure {
  readonly path: readonly [section: 'model' | 'partition', key: string];
  /** Without the key. */
  readonly message: string;
}

/** Why the partition of a recipe cannot succeed; null where nothing is in its way. */
export function foreseenFailure({ modality, model, partition }: Recipe): ForeseenFailure | null {
  if (!partition || model.layer !== 'partial') return null;
  const { ratio, masks, saliency, unitSum } = partition;
  if (masks !== undefined || ratio === 0) return null; // nothing is scored
  if (saliency === 'grasp' && unitSum === 'absolute') {
    const message = 'expected signed: partition.saliency: grasp says by its sign what becomes static, got absolute';
    return { path: ['partition', 'unitSum'], message };
  }
  const foresight: Foresight = foresights[modality];
  const refusal = foresight.refused?.[saliency];
  if (refusal !== undefined) return { path: ['partition', 'saliency'], message: refusal };
  const found = ratio === 1 ? null : foresight.zero(model, partition);
  if (!found) return null;
  const { path, expected, reason } = found;
  const message = `expected ${expected}: ${reason}, so that every score by partition.saliency: ${saliency} is 0`;
  return { path, message };
}

/** @throws InputError naming the key that `foreseenFailure` finds */
export function assertPartitionForeseen(recipe: Recipe): void {
  const failure = foreseenFailure(recipe);
  if (failure) throw new InputError(`${failure.path.join('.')}: ${failure.message}`);
}

/**
 * The same of a network in code, as far as it tells.
 *
 * @throws InputError where no layer that is searched has more than one kernel, and a score says so
 */
export function assertKernelsToChoose(network: nn.Module, { ratio, saliency, fold }: PartitionOptions): void {
  if (ratio === 0 || ratio === 1 || !(isSame(saliency, fold) || comparesKernels.has(saliency))) return;
  const layers = Array.from(network.namedModules(), ([, module]) => module).filter(isSearched);
  if (layers.length === 0 || !layers.every((layer) => hasOneKernel(layer, saliency))) return;
  throw new InputError(
    'partition.saliency: every layer has one kernel (K = 1), so that no weight depends on the input and every score ' +
      `by ${saliency} is 0; give the layers two or more, or choose another score`,
  );
}

function hasOneKernel(layer: DynamicLayer, saliency: PartitionOptions['saliency']): boolean {
  if (!isDynamicConvolution(layer)) return layer.router.numExperts === 1;
  const { numKernels, sumsToOne, hasSpatialAttention = false }: Router = layer.router;
  if (numKernels > 1) return false;
  return comparesKernels.has(saliency) || (sumsToOne && (saliency === 'variance' || !hasSpatialAttention));
}

interface Reason extends Pick<ForeseenFailure, 'path'> {
  readonly expected: string;
  readonly reason: string;
}

const trainingFirst = { path: ['partition', 'epoch'] } as const;

function ofKernels(
  { convolution, numKernels, bankInitialisation, initialScale, noise }: ModelOptions,
  { saliency, epoch, fold }: PartitionOptions,
): Reason | null {
  const areCopies = bankInitialisation === 'copies' && epoch === 0;
  const expected = 'more than 0';
  if (convolution === 'dcd') {
    const needsBranch = [...byGradient, ...comparesGradients].includes(saliency);
    const isWhole = bankInitialisation === 'independent' && initialScale === 'perKernel';
    if (epoch > 0 || noise > 0 || isWhole || !needsBranch) return null;
    const reason = 'before training the branch of DCD is 0 (without model.noise)';
    return { ...trainingFirst, expected, reason };
  }
  if (numKernels === 1 && comparesKernels.has(saliency)) {
    const reason = 'with one kernel there is none that it could differ from';
    return { path: ['model', 'numKernels'], expected: 'at least 2', reason };
  }
  // With one kernel of ODConv the input still weighs the positions, which `variance` does not look at.
  const isOne = numKernels === 1 && (convolution === 'dyconv' || (convolution === 'odconv' && saliency === 'variance'));
  if (isOne && isSame(saliency, fold)) {
    const reason = 'with one kernel no weight depends on the input';
    return { path: ['model', 'numKernels'], expected: 'at least 2', reason };
  }
  if (!areCopies) return null;
  if (noise === 0 && isOfCopies(saliency)) {
    const reason = 'before training all kernels are copies of one (without model.noise)';
    return { ...trainingFirst, expected, reason };
  }
  if (convolution === 'condconv' && isSame(saliency, fold)) {
    const reason = 'before training the router of CondConv does not look at its input';
    return { ...trainingFirst, expected, reason };
  }
  return null;
}

function ofExperts(
  { numExperts, k, noise, routing }: TextModelOptions,
  { saliency, epoch, fold }: PartitionOptions,
): Reason | null {
  if (numExperts === 1 && (isSame(saliency, fold) || comparesKernels.has(saliency))) {
    const reason = 'with one expert no weight depends on the token';
    return { path: ['model', 'numExperts'], expected: 'at least 2', reason };
  }
  if (routing === 'task' && needsInputs.has(saliency)) {
    const reason = 'with model.routing: task all tokens have the same experts';
    return { path: ['partition', 'saliency'], expected: 'another score', reason };
  }
  if (epoch > 0) return null;
  const expected = 'more than 0';
  if (noise === 0 && isOfCopies(saliency)) {
    const reason = 'before training all experts are copies of one (without model.noise)';
    return { ...trainingFirst, expected, reason };
  }
  // With all experts and equal gates every token gets the mean, with fewer every token gets the same ones.
  const isMean = fold === 'byUse' || (fold && k === numExperts);
  if (isSame(saliency, isMean)) {
    const reason = 'before training all tokens have the same experts with the same gates';
    return { ...trainingFirst, expected, reason };
  }
  return null;
}

/** The facts that can be foreseen of the networks of a modality. */
interface Foresight<Model extends Recipe['model'] = Recipe['model']> {
  /** Scores that they have not, and what is said of them. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Why every score is 0; null where they need not be. */
  zero(model: Model, partition: PartitionOptions): Reason | null;
}

const foresights: { readonly [M in Modality]: Foresight<RecipeOf<M>['model']> } = {
  image: { zero: ofKernels },
  text: {
    refused: {
      synFlow: 'expected a score that takes sentences, such as maskGradient; synFlow is for networks for pictures',
    },
    zero: ofExperts,
  },
};

/** Scores of gradients that are 0 where the bank's are. */
const byGradient = ['maskGradient', 'shuffled', 'snip', 'grasp', 'synFlow'];
const comparesGradients = ['gain', 'newtonGain'];
/** Those that compare the kernels of a bank, and are 0 where there is one. */
const comparesKernels: ReadonlySet<string> = new Set([...comparesGradients, 'spread']);
/** Those that are 0 where every input gets the same coefficients. */
const needsInputs: ReadonlySet<string> = new Set([...comparesGradients, 'variance']);
/** Those that compare the dynamic weight with the static one. */
const needsStatic: ReadonlySet<string> = new Set(['maskGradient', 'shuffled']);

/**
 * Whether a score is 0 where every input gets the same coefficients.
 *
 * @param fold whether what they mix is the static weight too
 */
function isSame(saliency: PartitionOptions['saliency'], fold: PartitionOptions['fold']): boolean {
  return needsInputs.has(saliency) || (needsStatic.has(saliency) && fold !== false);
}

/** Whether a score is 0 where all kernels are the static weight. */
function isOfCopies(saliency: PartitionOptions['saliency']): boolean {
  return needsStatic.has(saliency) || saliency === 'variance' || saliency === 'spread';
}
