/** Looking at what every layer computes, without the layers knowing. */
import { runSynchronous } from '../synchronous.js';
import { Tensor } from '../tensor.js';
import type { Module } from './module.js';

/**
 * Sees one call of a module's `forward`: its first argument and its result. Both belong to whoever runs the network:
 * keep what is to outlive the scope. `path` is '' for the root itself.
 */
export type ForwardObserver = (path: string, module: Module, input: Tensor, output: Tensor) => void;

/**
 * Calls `observe` after each `forward` of `root` and of every module below it while `body` runs, innermost first: of a
 * layer and the block around it, the layer comes first. A module that is reached by two paths is named by the first. A
 * forward that throws, or that takes or gives something other than a tensor, is passed over. Calls may be nested; all
 * is as before when `body` returns or throws.
 *
 * @returns what `body` returns
 * @throws TypeError where `body` returns a promise: it would still run when nobody watches any more
 */
export function watchForward<T>(root: Module, observe: ForwardObserver, body: () => T): T {
  const undo: (() => void)[] = [];
  const seen = new Set<Module>();
  try {
    for (const [path, module] of root.namedModules()) {
      if (seen.has(module)) continue;
      seen.add(module);
      undo.push(
        observeForward(module, ([input], output) => {
          if (input instanceof Tensor && output instanceof Tensor) observe(path, module, input, output);
        }),
      );
    }
    return runSynchronous('watchForward', body, 'watch between the awaits instead');
  } finally {
    for (const restore of undo.reverse()) restore();
  }
}

/**
 * Calls `observe` after each `forward` of one module, whatever it takes and gives.
 *
 * @returns what ends that; of several, the last comes first
 */
export function observeForward(
  module: Module,
  observe: (inputs: readonly unknown[], output: unknown) => void,
): () => void {
  return replaceForward(module, (forward) => (...inputs) => {
    const output = forward(...inputs);
    observe(inputs, output);
    return output;
  });
}

/**
 * Runs `compute` in place of a module's `forward`, for layers that are computed together: those who watch the module
 * see the call.
 *
 * @param inputs what they are told that it takes
 */
export function computeAs<T>(module: Module, inputs: readonly unknown[], compute: () => T): T {
  if (!Object.hasOwn(module, 'forward')) return compute();
  standIns.set(module, compute);
  try {
    return Reflect.apply(Reflect.get(module, 'forward') as (...inputs: unknown[]) => T, module, inputs);
  } finally {
    standIns.delete(module);
  }
}

const standIns = new WeakMap<Module, () => unknown>();

/**
 * Gives one module a `forward` of its own, before that of its class; one without `forward` stays as it is.
 *
 * @param replace makes it of the one that the module has now
 * @returns what ends that; of several, the last comes first
 */
export function replaceForward(
  module: Module,
  replace: (forward: (...inputs: unknown[]) => unknown) => (...inputs: never[]) => unknown,
): () => void {
  const forward: unknown = Reflect.get(module, 'forward');
  if (typeof forward !== 'function') return () => undefined;
  const before = Object.getOwnPropertyDescriptor(module, 'forward');
  Object.defineProperty(module, 'forward', {
    configurable: true,
    writable: true,
    enumerable: false,
    value: replace((...inputs) => {
      const compute = before ? undefined : standIns.get(module);
      return compute ? compute() : (Reflect.apply(forward, module, inputs) as unknown);
    }),
  });
  return () => {
    if (before) Object.defineProperty(module, 'forward', before);
    else Reflect.deleteProperty(module, 'forward');
  };
}
