/** Answers of exported networks, in Node and in the browser. */
export * from './errors.js';
export * from './expand.js';
export * from './manifest.js';
export * from './safetensors.js';
