/** The scores of a partition as a report says them: in words, with their formulas (method.md §3). */
import type { SaliencyName } from '../partition/index.js';

export const scoreFormulas: Readonly<Record<SaliencyName, string>> = {
  maskGradient: 'the mask gradient |∂L/∂M|',
  snip: 'SNIP |Σₖ Θₖ · ∂L/∂Θₖ|',
  grasp: 'GraSP Σₖ Θₖ · (Hg)ₖ',
  synFlow: 'SynFlow Σₖ |Θₖ| · ∂R/∂|Θₖ|',
  variance: 'the variance of the effective parameter over inputs, λ_d² · Θᵀ Cov(α) Θ',
  magnitude: 'the mean magnitude of the bank, |Θ|',
  random: 'a random number',
};
