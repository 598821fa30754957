/** What computes in the thread that asks. */
export { openEngine } from '../engine/engine.js';
export { webFiles } from './webFiles.js';
export { webPlatform } from './webPlatform.js';
