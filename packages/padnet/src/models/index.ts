export * from './createModel.js';
export * from './createPretrained.js';
export * from './mobilenetV2.js';
export { loadRouter, type OwnRouter } from './ownRouter.js';
export * from './pictureWeights.js';
export * from './registry.js';
export * from './resnet.js';
export * from './text/index.js';
export * from './textModel.js';
