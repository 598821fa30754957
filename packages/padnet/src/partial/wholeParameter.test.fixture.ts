/**
 * Sources as the plain equation takes them: bank, static weight and mask of one shape; gradients reach their
 * parameters.
 */
import { ops } from '@padnet/torch';
import type { PartialParameter } from './partialParameter.js';
import type { ParameterSource } from './parameterSource.js';
import { scaleFactors } from './scaleFactors.js';

export function wholeParameter(source: ParameterSource): PartialParameter {
  const factors = { dynamic: null, static: null };
  if (source.kind === 'static') {
    const { staticWeight } = source;
    return { bank: staticWeight.unsqueeze(0), staticWeight, mask: ops.zerosLike(staticWeight), factors };
  }
  if (source.kind === 'dynamic') {
    const zeros = source.bank.newZeros(source.shape);
    return { bank: source.bank, staticWeight: zeros, mask: ops.onesLike(zeros), factors };
  }
  const { bank, staticWeight, phi, scaleMode, shape, numKernels } = source;
  const mask = source.maskTensor();
  return {
    bank: source.kind === 'searched' ? bank : bank.newZeros([numKernels, ...shape]).maskedScatter(mask, bank),
    staticWeight:
      source.kind === 'searched'
        ? staticWeight
        : staticWeight.newZeros(shape).maskedScatter(mask.logicalNot(), staticWeight),
    mask,
    factors: scaleFactors(phi, scaleMode),
  };
}
