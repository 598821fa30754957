/** What the engine needs of a browser: onnxruntime-web computes, the browser decodes. */
import type { Platform } from '../engine/engine.js';
import { openSession, type GraphFiles, type OnnxRuntime, type Session } from '../engine/session.js';
import { InputError } from '../errors.js';
import type { LoadOptions } from '../loadOptions.js';
import { decodeWebPicture, type WebPicture } from './webPicture.js';

/** The options that cross to a worker. */
export interface WebOptions {
  readonly device: NonNullable<LoadOptions['device']>;
  readonly numThreads: number | undefined;
  /** The address of a folder, which ends with a slash. */
  readonly wasmPaths: string | undefined;
}

export function webPlatform(options: WebOptions): Platform<WebPicture> {
  return { openSession: (files) => openWebSession(files, options), decode: decodeWebPicture };
}

async function openWebSession(files: GraphFiles, options: WebOptions): Promise<Session> {
  const { device } = options;
  if (device === 'cpu') throw new InputError('device cpu is that of Node; in a browser it is wasm or webgpu');
  if (device === 'webgpu' && !(await adapterKind()))
    throw new InputError('this browser has no WebGPU adapter; take device wasm, or auto');
  if (device === 'webgpu' || (device === 'auto' && (await adapterKind()) === 'graphics')) {
    try {
      const runtime = await installed(() => import('onnxruntime-web/webgpu'));
      return await openSession(
        configured(runtime, 'ort-wasm-simd-threaded.asyncify.wasm', options),
        files,
        'webgpu',
        {},
      );
    } catch (error) {
      // A driver may refuse what its adapter promised.
      if (device === 'webgpu') throw error;
    }
  }
  const runtime = await installed(() => import('onnxruntime-web/wasm'));
  return await openSession(configured(runtime, 'ort-wasm-simd-threaded.wasm', options), files, 'wasm', {});
}

interface Configurable extends OnnxRuntime {
  readonly env: { readonly wasm: { numThreads?: number; wasmPaths?: string | { wasm?: string | URL } } };
}

function configured(runtime: Configurable, file: string, { numThreads, wasmPaths }: WebOptions): OnnxRuntime {
  const { wasm } = runtime.env;
  const most = Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2));
  wasm.numThreads = globalThis.crossOriginIsolated ? (numThreads ?? most) : 1;
  if (wasmPaths !== undefined) wasm.wasmPaths = { wasm: new URL(file, wasmPaths).href };
  return runtime;
}

async function installed<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new InputError('onnxruntime-web cannot be loaded; npm install onnxruntime-web, and bundle it with the page', {
      cause,
    });
  }
}

interface Adapter {
  readonly isFallbackAdapter?: boolean;
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

/** `fallback`: a graphics processor that the processor plays, slower than WebAssembly. Null: none, or no WebGPU. */
async function adapterKind(): Promise<'graphics' | 'fallback' | null> {
  try {
    const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<Adapter | null> } };
    const adapter = await gpu?.requestAdapter();
    if (!adapter) return null;
    return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? 'fallback' : 'graphics';
  } catch {
    return null;
  }
}
