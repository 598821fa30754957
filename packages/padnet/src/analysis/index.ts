export {
  type ClassMeans,
  type CoefficientOptions,
  type InputCoefficients,
  type LayerAttention,
  type LayerCoefficients,
  type RouterCoefficients,
  routerCoefficients,
} from './coefficients.js';
export {
  type ExpertLayer,
  expertLoad,
  type ExpertLoad,
  type ExpertLoadOptions,
  type TypicalToken,
  type TypicalTokens,
} from './expertLoad.js';
export { inspectPlans, type InspectPlansOptions, type PlanInspection, type PlanRow } from './inspectPlans.js';
export {
  type Inspection,
  inspectionSchema,
  inspectNetwork,
  type InspectRow,
  inspectRowSchema,
} from './inspectNetwork.js';
export { networkFacts, type RunModel } from './networkFacts.js';
export type { NetworkFacts, RouterFindings, ShownNetwork } from './view.js';
export {
  countNetwork,
  type LayerRatio,
  layerRatios,
  layerRatioSchema,
  type NetworkCounts,
  networkCountsSchema,
} from './networkCounts.js';
export { modelLayerName } from './layerNames.js';
export type { RouterPoint } from './routerHistory.js';
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
export { networkOfFolder, networkOfModel, networkOfRecipe, networkOfRun } from './shownNetwork.js';
export { summariseRun, type SummariseRunOptions } from './summariseRun.js';
export { answerTexts, type AnswerOptions, type Text, type TextAnswer, type TokenExperts } from './textAnswers.js';
export { writeRun, type WriteRunOptions } from './writeRun.js';
