/** Files of tensors. */
export { writeFileAtomically, type Write } from './atomicFile.js';
export * from './safetensors.js';
export { decodeTorchArchive, loadTorchArchive, TorchArchiveError } from './torchArchive.js';
