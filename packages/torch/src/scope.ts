/**
 * Who frees a tensor. V8 does not see the memory of tensors, so waiting for the garbage collector is not enough:
 *
 * - Made inside `scope(() => …)`: freed at its end, unless returned (then the enclosing scope owns it) or kept.
 * - `using x = …` or `x[Symbol.dispose]()` frees at once.
 * - Anything else is freed when the garbage collector finds its `Tensor`, which happens only when the event loop runs.
 *
 * Scopes are synchronous: one that is open across an `await` would also own what unrelated code makes meanwhile.
 */
import { native, type Handle } from './native.js';
import { runSynchronous } from './synchronous.js';

/** A thing that a scope tracks; implemented by `Tensor`. */
export interface Owned {
  readonly handle: Handle;
  /** Whether no scope frees it (any more). */
  kept: boolean;
}

let current: Owned[] | undefined;

const finalizer = new FinalizationRegistry<{ handle: Handle; bytes: number }>(({ handle, bytes }) => {
  native.release(handle);
  if (bytes > 0) native.adjustExternalMemory(-bytes);
});

/** Called by every new tensor: the innermost scope owns it, or else the garbage collector. */
export function own(tensor: Owned): void {
  if (current) current.push(tensor);
  else leaveToGarbageCollector(tensor);
}

/** Takes a tensor out of all scopes: it lives until it is disposed or found by the garbage collector. */
export function keep<T extends Owned>(tensor: T): T {
  if (!tensor.kept) leaveToGarbageCollector(tensor);
  return tensor;
}

export function dispose(tensor: Owned): void {
  native.release(tensor.handle);
}

function leaveToGarbageCollector(tensor: Owned): void {
  tensor.kept = true;
  const bytes = native.externalBytes(tensor.handle);
  if (bytes > 0) native.adjustExternalMemory(bytes);
  finalizer.register(tensor, { handle: tensor.handle, bytes });
}

/**
 * Runs `body` and frees the tensors made in it, also when it throws. Tensors in the result (itself, or in arrays and
 * plain objects) live on, owned by the enclosing scope.
 *
 * @throws where `body` returns a promise
 */
export function scope<T>(body: () => T): T {
  const outer = current;
  const mine: Owned[] = [];
  current = mine;
  let result: T;
  const survivors = new Set<Owned>();
  try {
    result = runSynchronous('scope', body, 'use scopes between the awaits instead');
    collectTensors(result, survivors);
  } finally {
    current = outer;
    const freed: Handle[] = [];
    for (const tensor of mine) {
      if (!tensor.kept && !survivors.has(tensor)) freed.push(tensor.handle);
    }
    native.release(freed);
    for (const tensor of mine) {
      if (!tensor.kept && survivors.has(tensor)) own(tensor);
    }
  }
  return result;
}

/** A plain object with these properties is a copy (`{ ...tensor }`), which owns nothing. */
function isOwned(value: object): value is Owned {
  return 'handle' in value && 'kept' in value && !isPlain(value);
}

function collectTensors(value: unknown, found: Set<Owned>, seen = new Set()): void {
  if (typeof value !== 'object' || value === null) return;
  if (isOwned(value)) {
    found.add(value);
    return;
  }
  if (seen.has(value)) return;
  seen.add(value);
  const each = Array.isArray(value) || value instanceof Set ? value : value instanceof Map ? value.values() : [];
  for (const element of each) collectTensors(element, found, seen);
  if (isPlain(value)) for (const element of Object.values(value)) collectTensors(element, found, seen);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The number of live tensors of this thread, for tests that nothing leaks. */
export function liveTensors(): number {
  return native.liveTensors();
}
