export * from './counting.js';
export * from './dynamicConv2d.js';
export * from './mixedConv2d.js';
