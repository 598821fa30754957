/** The rates that plans are chosen by in this process. */
import { instructionSet } from './nativeOperators.js';
import { defaultRates, type PlanRates } from './planRates.js';

let inUse: PlanRates | null = null;

/** Layers choose anew by them. @param rates null for the defaults */
export function setPlanRates(rates: PlanRates | null): void {
  inUse = rates;
}

/** Those that `setPlanRates` gave; else the defaults of the instruction set that the native kernels run with. */
export function planRatesInUse(): PlanRates {
  return (inUse ??= defaultRates[instructionSet()]);
}
