export * from './ablation.js';
export * from './ablationPlan.js';
export * from './glueRuns.js';
export {
  type AblationPointRow,
  type AblationResults,
  type AblationRow,
  type AblationRun,
  type AblationTable,
  ablationTable,
  type FailedAblationRun,
  readAblationRun,
} from './ablationTable.js';
export { type GlueRun, type MajorityScore, majorityScore, readGlueRun } from './glueResults.js';
export {
  type GlueCosts,
  type GlueTableCell,
  type FailedRun,
  type GlueDifference,
  type GlueResults,
  type GlueRow,
  type GlueTable,
  glueTable,
} from './glueTable.js';
