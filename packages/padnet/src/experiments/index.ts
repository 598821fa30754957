export * from './ablation.js';
export * from './ablationPlan.js';
export * from './ablationTable.js';
export * from './glue.js';
export { type MajorityScore, majorityScore } from './glueMajority.js';
export * from './glueTable.js';
export * from './matrix.js';
export * from './pairedDifference.js';
