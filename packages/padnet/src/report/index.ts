/** Runs compared: summaries, the HTML report, text tables; networks layer by layer. */

export {
  type AblationDocument,
  ablationDocument,
  ablationDocumentFile,
  type AblationOrigin,
} from './ablationDocument.js';
export { ablationReport } from './ablationReport.js';
export {
  type AblationText,
  ablationText,
  type AblationTextCell,
  type AblationTextRow,
  type AblationTextTable,
  ablationTextTables,
} from './ablationText.js';
export { type Cell, type Column, type Comparison, compareRuns, summarySentence } from './comparison.js';
export { formatBytes, formatCount, formatPercent, formatPoints, formatRatio, formatSeconds } from './format.js';
export { type GlueDocument, glueDocument, glueDocumentFile, type GlueOrigin } from './glueDocument.js';
export { glueDetailNetworks, glueReport, type GlueTaskRuns } from './glueReport.js';
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
export { reportFile, reportPage, type ReportPageOptions } from './reportPage.js';
export { runSections } from './runSections.js';
export { formatScore, metricName } from './scoreText.js';
export { inspectText, planText } from './inspectText.js';
export { markdownTable, textTable } from './textTable.js';
