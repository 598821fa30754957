/// <reference types="node" preserve="true" />
/**
 * Trained networks as files that answer without libtorch: the compact form, and folders with a graph of ONNX.
 *
 * @module
 */
export {
  compactDTypes,
  type CompactDType,
  compactFile,
  type CompactFile,
  type CompactOptions,
  readCompactFile,
  type StoredLayer,
} from './export/compactForm.js';
export { compactSize, type CompactSize, type Part, type PartName } from './export/compactSize.js';
export { compactTensors } from './export/compactTensors.js';
export {
  exportModel,
  type ExportOptions,
  type ExportTarget,
  exportTargets,
  type GraphInput,
  type GraphInputs,
  type ModelFolder,
  MOST_DIFFERENCE,
} from './export/modelFolder.js';
export type { StoredModel, TokenizerFiles } from './runs/savedModel.js';
export { trainingForm } from './export/trainingForm.js';
