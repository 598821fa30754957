/// <reference types="node" preserve="true" />
/**
 * Helpers for tests of code that is built on `@padnet/torch`; they need no test framework.
 *
 * @module
 */
import '../operatorMethods.js';

export * from './expectClose.js';
export * from './gradcheck.js';
export * from './instructionSets.js';
export * from './steadyMemory.js';
export * from './watchedChild.js';
export { rankAnswers, rankVariables, runRanks, type RankResult, type RunRanksOptions } from './ranks.js';
