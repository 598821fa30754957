/** Evaluation mode for a while. */
import type { Module } from './module.js';

/**
 * Puts a network in evaluation mode until it is disposed of (`using mode = evaluationMode(network)`); then every module
 * is in the mode that it was in, those that were kept in evaluation mode on purpose too.
 */
export function evaluationMode(network: Module): Disposable {
  const before = Array.from(network.namedModules(), ([, module]) => [module, module.training] as const);
  network.eval();
  return {
    [Symbol.dispose]() {
      for (const [module, training] of before) module.training = training;
    },
  };
}
