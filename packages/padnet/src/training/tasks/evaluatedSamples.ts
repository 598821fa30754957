/** The part of the data that a network is evaluated on. */
import { InputError } from '../../errors.js';
import type { EvaluationOptions } from '../task.js';

/** @throws InputError where no training samples are held out */
export function evaluatedSamples<Dataset>(
  { validation, test }: { readonly validation?: Dataset | undefined; readonly test: Dataset },
  on: NonNullable<EvaluationOptions['on']>,
): Dataset {
  if (on === 'test') return test;
  if (validation !== undefined) return validation;
  throw new InputError('no training samples are held out to evaluate on: set data.validation.fraction, such as 0.1');
}
