/** Files of tensors. */
export { writeFileAtomically } from './atomicFile.js';
export * from './safetensors.js';
export { decodeTorchArchive, TorchArchiveError } from './torchArchive.js';
