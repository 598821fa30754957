/** Layers, networks and losses, under the names of `torch.nn`. */
export * from './containers.js';
export * from './conv2d.js';
export * as init from './init.js';
export * from './module.js';
export * from './parameter.js';
