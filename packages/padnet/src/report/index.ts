/** Runs compared: summaries, the HTML report, text tables; networks layer by layer. */

export { type AblationDocument, ablationDocument } from './ablationDocument.js';
export { ablationReport } from './ablationReport.js';
export {
  type AblationResults,
  type AblationRun,
  type AblationTable,
  ablationTable,
  type FailedAblationRun,
  readAblationRun,
} from './ablationTable.js';
export { type AblationText, ablationText, ablationTextTables } from './ablationText.js';
export { type CoefficientOptions, type RouterCoefficients, routerCoefficients } from './coefficients.js';
export { type Comparison, compareRuns, summarySentence } from './comparison.js';
export { type ExpertLayer, expertLoad, type ExpertLoad, type ExpertLoadOptions } from './expertLoad.js';
export { formatBytes, formatCount, formatPercent, formatPoints, formatRatio, formatSeconds } from './format.js';
export { type GlueDocument, glueDocument } from './glueDocument.js';
export { glueDetailNetworks, glueReport, type GlueTaskRuns } from './glueReport.js';
export { type GlueRun, type MajorityScore, majorityScore, readGlueRun } from './glueResults.js';
export { type FailedRun, type GlueResults, type GlueTable, glueTable } from './glueTable.js';
export { glueMarkdown, glueNetworkName, glueShortNames, type GlueText, glueText, glueTextTable } from './glueText.js';
export { alignGrid, type Grid } from './grid.js';
export { htmlReport, methodReferences, type ReportOptions, runFacts } from './htmlReport.js';
export { inspectPlans, type InspectPlansOptions, type PlanInspection, type PlanRow, planText } from './inspectPlans.js';
export { type Inspection, inspectNetwork, type InspectRow, inspectText } from './inspectText.js';
export { countNetwork, type LayerRatio, layerRatios, type NetworkCounts } from './networkCounts.js';
export { layerNames, modelLayerName, type RunLayer } from './layerNames.js';
export { encodePng, type Pixels } from './png.js';
export { reportPage, type ReportPageOptions } from './reportPage.js';
export { runSections } from './runSections.js';
export {
  type EpochPoint,
  type RunEnvironment,
  runSummary,
  type RunSummary,
  type RunSummaryOptions,
} from './runSummary.js';
export { picturePass, type SamplePass, textPass } from './samplePass.js';
export { formatScore, metricName } from './scoreText.js';
export { networkOfFolder, networkOfModel, networkOfRecipe, type ShownNetwork } from './shownNetwork.js';
export { summariseRun, type SummariseRunOptions } from './summariseRun.js';
export { answerTexts, type AnswerOptions, type Text, type TextAnswer, type TokenExperts } from './textAnswers.js';
export { markdownTable, textTable } from './textTable.js';
