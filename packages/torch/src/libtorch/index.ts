/// <reference types="node" preserve="true" />
/**
 * Which libtorch there is, without loading it: `@padnet/torch/libtorch`.
 *
 * @module
 */
export { type Build, buildPackage, builds, compiledFolder, nativeSources } from './builds.js';
export { type Libtorch, minorOf } from './installed.js';
export { linkerReason } from './load.js';
export { environmentFolder } from './places.js';
export {
  type Choice,
  chosenLibtorch,
  type NativeFile,
  nativeFile,
  type Nothing,
  nothingFits,
  resolveLibtorch,
} from './resolve.js';
