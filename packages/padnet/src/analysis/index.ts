/** What a network is and does. The names that users import are listed in `report.ts`. */
export * from './coefficients.js';
export * from './expertLoad.js';
export * from './inspectNetwork.js';
export * from './inspectPlans.js';
export { modelLayerName } from './layerNames.js';
export * from './networkCounts.js';
export * from './networkFacts.js';
export * from './pictureAnswers.js';
export * from './programNetwork.js';
export type { RouterPoint } from './routerHistory.js';
export * from './routerStates.js';
export * from './runSummary.js';
export * from './samplePass.js';
export * from './shownNetwork.js';
export * from './summariseRun.js';
export * from './textAnswers.js';
export type { NetworkFacts, RouterFindings, ShownNetwork } from './view.js';
export * from './writeRun.js';
