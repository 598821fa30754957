/** The script of the worker that computes for a page, so that the page never stands still. */
import { openEngine, type Engine } from './engine/engine.js';
import { InputError } from './errors.js';
import { WORKER_NAME, type Call, type Load, type Reply, type Request } from './web/messages.js';
import { webFiles } from './web/webFiles.js';
import type { WebPicture } from './web/webPicture.js';
import { webPlatform } from './web/webPlatform.js';

/** The global scope of a worker, as far as it is used here. */
const scope = globalThis as unknown as {
  readonly name?: string;
  postMessage(reply: Reply): void;
  addEventListener(type: 'message', listener: (event: { readonly data: Request }) => void): void;
};

let engine: Engine<WebPicture> | null = null;
const running = new Map<number, AbortController>();

async function open(id: number, { folder, cache, options }: Load, signal: AbortSignal): Promise<unknown> {
  engine = await openEngine(webFiles(new URL(folder), { cache }), webPlatform(options), {
    signal,
    onProgress: (progress) => {
      scope.postMessage({ kind: 'progress', id, progress });
    },
  });
  return engine.facts;
}

function call({ method, parameters }: Call, signal: AbortSignal): Promise<unknown> {
  if (!engine) throw new InputError('no network is loaded');
  const withSignal = parameters.map((parameter: unknown, index) =>
    index === parameters.length - 1 ? { ...(parameter as object), signal } : parameter,
  );
  return (engine[method] as (...parameters: readonly unknown[]) => Promise<unknown>)(...withSignal);
}

async function answer(request: Request): Promise<void> {
  const { id, method } = request;
  if (method === 'abort') {
    running.get(id)?.abort();
    return;
  }
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const { signal } = controller;
    const result = await (method === 'load' ? open(id, request, signal) : call(request, signal));
    scope.postMessage({ kind: 'result', id, result });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage({ kind: 'error', id, isInput: error instanceof InputError, message });
  } finally {
    running.delete(id);
  }
}

if (scope.name === WORKER_NAME) {
  scope.addEventListener('message', ({ data }) => {
    void answer(data);
  });
  scope.postMessage({ kind: 'ready' });
} else if (scope.name?.startsWith('em-pthread')) {
  // onnxruntime-web runs its threads by the script that it is part of, which is this one once they are bundled.
  void import('onnxruntime-web/wasm');
}
