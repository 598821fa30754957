/** The scores of a partition as a report says them: in words, with their formulas (method.md §3). */
import { codeName, isCodeReference } from '../ownCode/codeReference.js';
import type { SaliencyName } from '../partition/index.js';

const formulas: Readonly<Record<SaliencyName, string>> = {
  maskGradient: 'the mask gradient |∂L/∂M|',
  snip: 'SNIP |Σₖ Θₖ · ∂L/∂Θₖ|',
  grasp: 'GraSP Σₖ Θₖ · (Hg)ₖ',
  synFlow: 'SynFlow Σₖ |Θₖ| · ∂R/∂|Θₖ|',
  variance: 'the variance of the effective parameter over inputs, λ_d² · Θᵀ Cov(α) Θ',
  magnitude: 'the mean magnitude of the bank, |Θ|',
  random: 'a random number',
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
