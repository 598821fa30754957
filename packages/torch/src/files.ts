/// <reference types="node" preserve="true" />
/** Files alone, without libtorch: `@padnet/torch/files`. */
export { writeFileAtomically, writeFully } from './serialization/atomicFile.js';
export { systemErrorText } from './serialization/systemError.js';
