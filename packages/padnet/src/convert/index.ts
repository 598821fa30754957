export * from './convert.js';
export * from './convertMoE.js';
export { bankInitialisations, type InitialBankOptions } from './initialBank.js';
