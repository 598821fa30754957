export * from './foldMeans.js';
export * from './granularity.js';
export * from './iterativeModePartition.js';
export * from './partition.js';
export * from './partitionUnits.js';
export * from './saliency/index.js';
export * from './schedule.js';
export * from './selectDynamic.js';
