/** How dynamic and partial layers are computed: native operators and compositions, and the choice between them. */
export type { Columns } from './columns.js';
export * from './convolutionPlan.js';
export * from './costModel.js';
export type { ExpertPlan } from './expertMixture.js';
export * from './fitRates.js';
export * from './machineRates.js';
export * from './mixedConv.js';
export type { Epilogue } from './nativeOperators.js';
export * from './outputSize.js';
export type { InputDescription, PlanChoice } from './planChooser.js';
export * from './planRates.js';
export * from './planRatesInUse.js';
