/** What `padnet` and the page have in common with the runtime: the same code prepares pictures and texts everywhere. */
export { InputError } from './errors.js';
export { type Manifest, parseManifest } from './manifest.js';
export { centreGeometry, type PictureGeometry, type PictureSize, type Region } from './picture/geometry.js';
export { greyOfRgb } from './picture/grey.js';
export { printable } from './printable.js';
export { type EncodeOptions, type Encoding, TextTokenizer } from './tokenizer/textTokenizer.js';
export { tokenizerOfFiles, type TokenizerFiles } from './tokenizer/tokenizerFiles.js';
