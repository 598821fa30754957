/** What `padnet` has in common with the runtime: training prepares pictures and texts by the same code. */
export { InputError } from './errors.js';
export { centreGeometry, type PictureGeometry, type PictureSize, type Region } from './picture/geometry.js';
export { greyOfRgb } from './picture/grey.js';
export { printable } from './printable.js';
export { type EncodeOptions, type Encoding, TextTokenizer } from './tokenizer/textTokenizer.js';
export { tokenizerOfFiles, type TokenizerFiles } from './tokenizer/tokenizerFiles.js';
