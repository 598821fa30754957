/** The scores of a partition as a report says them: in words, with their formulas (method.md §3). */
import { codeName, isCodeReference } from '../ownCode/codeReference.js';
import type { SaliencyName } from '../partition/index.js';

const formulas: Readonly<Record<SaliencyName, string>> = {
  maskGradient: 'the mask gradient |∂L/∂M|',
  snip: 'SNIP |Σₖ Θₖ · ∂L/∂Θₖ|',
  grasp: 'GraSP Σₖ Θₖ · (Hg)ₖ',
  synFlow: 'SynFlow Σₖ |Θₖ| · ∂R/∂|Θₖ|',
  gain: 'the gain of letting kernels differ, Σₖ pₖ (Gₖ/pₖ − G)²',
  newtonGain: 'that gain by steps of Newton’s kind, Σₖ pₖ (Gₖ/pₖ − G)² / h',
  variance: 'the variance of the effective parameter over inputs, λ_d² · Θᵀ Cov(α) Θ',
  spread: 'the spread of the bank weighed by its use, λ_d² · Σₖ pₖ (Θₖ − Θ̄)²',
  magnitude: 'the mean magnitude of the bank, |Θ|',
  random: 'a random number',
  randomByLayer: 'a random number, for as many entries in every layer',
  shuffled: 'the mask gradient |∂L/∂M|, shuffled within each layer',
};

/** The score that `partition.saliency` names: one with its formula, or one of one's own. */
export function scoreText(saliency: string): string {
  if (isCodeReference(saliency)) return `that of ${codeName(saliency)}`;
  return Object.hasOwn(formulas, saliency) ? formulas[saliency as SaliencyName] : saliency;
}

/** The name alone. */
export function scoreName(saliency: string): string {
  return isCodeReference(saliency) ? codeName(saliency) : saliency;
}
