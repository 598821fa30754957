/** Files of tensors. */
export { writeFileAtomically } from './atomicFile.js';
export * from './safetensors.js';
export { decodeTorchArchive, loadTorchArchive, TorchArchiveError } from './torchArchive.js';
