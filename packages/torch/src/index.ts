/// <reference types="node" preserve="true" />
/**
 * libtorch for TypeScript.
 *
 * @module
 */
import './operatorMethods.js';

export { autocast } from './autocast.js';
export * from './autograd.js';
export * from './creation.js';
export { checkDevice, type Device } from './device.js';
export { dtypes, type DType, type TypedArray } from './dtype.js';
export * from './indexing.js';
export type { Layout, MemoryFormat } from './layout.js';
export { loadLibrary } from './library.js';
export { nativeFile, type NativeFile } from './libtorch/index.js';
export { memoryUsage, setMemoryLimit, type MemoryUsage } from './memory.js';
export * as ops from './ops.generated.js';
export * as nn from './nn/index.js';
export * as optim from './optim/index.js';
export { operator } from './operator.js';
export { camelCase } from './overload.js';
export { defaultGenerator, Generator, manualSeed } from './random.js';
export { keep, liveTensors, type Owned, scope } from './scope.js';
export * from './serialization/index.js';
export { fromTypedArray, Tensor, tensor, type NestedArray, type Scalar, type TensorOptions } from './tensor.js';
export { getNumThreads, libtorchVersion, setNumThreads } from './threads.js';
