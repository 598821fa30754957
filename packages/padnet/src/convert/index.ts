export * from './convert.js';
export * from './convertMoE.js';
export * from './toStatic.js';
export { bankInitialisations, type InitialBankOptions } from './initialBank.js';
