/** Runs compared: summaries, the HTML report, text tables; networks layer by layer. */

export {
  type AblationDocument,
  ablationDocument,
  ablationDocumentFile,
  type AblationOrigin,
} from './ablationDocument.js';
export { ablationReport } from './ablationReport.js';
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
export {
  type AblationText,
  ablationText,
  type AblationTextCell,
  type AblationTextRow,
  type AblationTextTable,
  ablationTextTables,
} from './ablationText.js';
export {
  type ClassMeans,
  type CoefficientOptions,
  type InputCoefficients,
  type LayerAttention,
  type LayerCoefficients,
  type RouterCoefficients,
  routerCoefficients,
} from './coefficients.js';
export { type Cell, type Column, type Comparison, compareRuns, summarySentence } from './comparison.js';
export {
  type ExpertLayer,
  expertLoad,
  type ExpertLoad,
  type ExpertLoadOptions,
  type TypicalToken,
  type TypicalTokens,
} from './expertLoad.js';
export { formatBytes, formatCount, formatPercent, formatPoints, formatRatio, formatSeconds } from './format.js';
export { type GlueDocument, glueDocument, glueDocumentFile, type GlueOrigin } from './glueDocument.js';
export { glueDetailNetworks, glueReport, type GlueTaskRuns } from './glueReport.js';
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
export {
  glueMarkdown,
  glueMarkdownFile,
  glueNetworkName,
  type GlueNetworkRow,
  glueShortNames,
  type GlueText,
  glueText,
  type GlueTextCell,
  type GlueTextRow,
  glueTextTable,
} from './glueText.js';
export { alignGrid, type Grid } from './grid.js';
export type { Html, HtmlValue } from './html.js';
export { htmlReport, methodReferences, type ReportOptions, runFacts } from './htmlReport.js';
export { inspectPlans, type InspectPlansOptions, type PlanInspection, type PlanRow, planText } from './inspectPlans.js';
export { type Inspection, inspectNetwork, type InspectRow, inspectText } from './inspectText.js';
export type { NetworkFacts, RunModel } from './networkFacts.js';
export { countNetwork, type LayerRatio, layerRatios, type NetworkCounts } from './networkCounts.js';
export { layerNames, modelLayerName, type RunLayer } from './layerNames.js';
export { encodePng, type Pixels } from './png.js';
export { reportFile, reportPage, type ReportPageOptions } from './reportPage.js';
export type { RouterPoint } from './routerHistory.js';
export { runSections } from './runSections.js';
export {
  type EpochPoint,
  type RunEnvironment,
  runSummary,
  type RunSummary,
  type RunSummaryOptions,
} from './runSummary.js';
export { networkSchema, type ProgramNetwork, readProgramNetwork } from './programNetwork.js';
export {
  answerPictures,
  type ClassProbability,
  type Picture,
  type PictureAnswer,
  type PictureAnswerOptions,
  type PictureCoefficients,
} from './pictureAnswers.js';
export { picturePass, type SamplePass, textPass } from './samplePass.js';
export { formatScore, metricName } from './scoreText.js';
export { networkOfFolder, networkOfModel, networkOfRecipe, networkOfRun, type ShownNetwork } from './shownNetwork.js';
export { summariseRun, type SummariseRunOptions } from './summariseRun.js';
export { answerTexts, type AnswerOptions, type Text, type TextAnswer, type TokenExperts } from './textAnswers.js';
export { markdownTable, textTable } from './textTable.js';
export { writeRun, type WriteRunOptions } from './writeRun.js';
