/** Runs compared: pages, their sections, tables, and numbers as people read them. */

export { type Cell, type Column, type Comparison, compareRuns, summarySentence } from './comparison.js';
export { comparisonMarkdown, comparisonTable, comparisonText } from './comparisonTable.js';
export {
  counted,
  formatBytes,
  formatCount,
  formatPercent,
  formatPoints,
  formatRatio,
  formatSeconds,
} from './format.js';
export { alignGrid, type Grid } from './grid.js';
export type { Html, HtmlValue } from './html.js';
export { inspectText, planText } from './inspectText.js';
export { type AblationDocument, ablationFiles, ablationReport } from './matrix/ablationReport.js';
export { type GlueDocument, glueFiles, glueReport } from './matrix/glueReport.js';
export { glueShortNames } from './matrix/glueText.js';
export { powerText } from './matrix/powerText.js';
export type { MatrixDocument, MatrixFile, MatrixOrigin, MatrixReport } from './matrix/matrixReport.js';
export { htmlReport, type ReportOptions } from './pages/comparisonPage.js';
export { glueDetailNetworks, type GlueTaskRuns } from './pages/gluePage.js';
export { reportFile, reportPage, type ReportPageOptions } from './pages/reportPage.js';
export { formatScore, metricName } from './scoreText.js';
export { runSections } from './sections/runSections.js';
export { htmlTable, markdownTable, type Table, type TableCell, type TableColumn, textTable } from './table.js';
