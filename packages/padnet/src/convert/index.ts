export * from './convert.js';
export * from './convertMoE.js';
export * from './convertToStatic.js';
export { bankInitialisations, type InitialBankOptions } from './initialBank.js';
