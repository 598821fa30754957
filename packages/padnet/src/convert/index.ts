export * from './convert.js';
export * from './convertMoE.js';
export * from './toStatic.js';
export { bankInitialisations, bankSpreads, type InitialBankOptions } from './initialBank.js';
