export * from './counting.js';
export * from './dynamicConv2d.js';
export * from './dynamicLayer.js';
export * from './feedForward.js';
export * from './mixedConv2d.js';
export * from './moeLinear.js';
export * from './routing.js';
