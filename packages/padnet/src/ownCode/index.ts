export { codeName, codeReferenceSchema, isCodeReference } from './codeReference.js';
export { loadCode, type CodeOptions, type LoadedCode } from './loadCode.js';
