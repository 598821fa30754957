/** Reverse-mode differentiation. */
import { native, type Handle } from './native.js';
import { checkOptions } from './options.js';
import { scope } from './scope.js';
import { runSynchronous } from './synchronous.js';
import { Tensor } from './tensor.js';

export interface BackwardOptions {
  /** ∂loss/∂tensor for each tensor; needed where one has more than one element. */
  readonly gradients?: readonly Tensor[];
  /** Keep what the graph has saved, to go through it again. @default createGraph */
  readonly retainGraph?: boolean;
  /** Record the computation of the gradients, so that they can be differentiated. @default false */
  readonly createGraph?: boolean;
}

/** Adds the gradients of `tensors` (usually one loss) to the `grad` of every leaf that they depend on. */
export function backward(tensors: Tensor | readonly Tensor[], options: BackwardOptions = {}): void {
  checkOptions('backward', options, ['gradients', 'retainGraph', 'createGraph']);
  const { gradients, createGraph = false, retainGraph = createGraph } = options;
  native.backward(handles(asList(tensors)), gradients ? handles(gradients) : null, retainGraph, createGraph);
}

export interface GradOptions extends BackwardOptions {
  /** Give null for inputs that the outputs do not depend on, rather than throw. @default false */
  readonly allowUnused?: boolean;
}

/** The gradients of `outputs` by each of `inputs`; nothing is added to any `grad`. */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradOptions & { readonly allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  checkOptions('grad', options, ['gradients', 'retainGraph', 'createGraph', 'allowUnused']);
  const { gradients, createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  return native
    .grad(
      handles(asList(outputs)),
      handles(inputs),
      gradients ? handles(gradients) : null,
      retainGraph,
      createGraph,
      allowUnused,
    )
    .map((handle) => (handle === null ? null : new Tensor(handle)));
}

/** Runs `body` without recording operations for `backward`: evaluation, updates of parameters. */
export function noGrad<T>(body: () => T): T {
  return withGrad(false, body);
}

/** Runs `body` recording operations, inside a `noGrad` too. */
export function enableGrad<T>(body: () => T): T {
  return withGrad(true, body);
}

export function isGradEnabled(): boolean {
  return native.isGradEnabled();
}

function withGrad<T>(enabled: boolean, body: () => T): T {
  const before = native.setGradEnabled(enabled);
  try {
    return runSynchronous(enabled ? 'enableGrad' : 'noGrad', body);
  } finally {
    native.setGradEnabled(before);
  }
}

/**
 * Calls `hook` with the gradient of `tensor` whenever one is computed; a tensor that it returns replaces the gradient.
 */
export function registerHook(tensor: Tensor, hook: (gradient: Tensor) => Tensor | undefined): { remove(): void } {
  const id = native.registerHook(tensor.handle, (gradient) =>
    scope(() => handOver(hook(new Tensor(gradient)) ?? null) ?? undefined),
  );
  return {
    remove: () => {
      native.removeHook(tensor.handle, id);
    },
  };
}

/** The values that `forward` leaves for `backward`. */
export interface FunctionContext {
  /** Saves inputs or outputs (or other tensors) for `backward`, safely across scopes and in-place changes. */
  save(...tensors: Tensor[]): void;
}

export interface CustomFunction<Inputs extends readonly Tensor[]> {
  /** Shown in `gradFunction` and in errors. */
  readonly name: string;
  /** Computes the outputs; runs without recording. */
  forward(context: FunctionContext, ...inputs: Inputs): Tensor | Tensor[];
  /**
   * From ∂loss/∂output for each output (zeros where unused) and the saved tensors: ∂loss/∂input for each input, or
   * null. Written in tensor operators, it can be differentiated again (double backward).
   */
  backward(gradients: Tensor[], saved: Tensor[]): (Tensor | null)[];
}

/** An operation with a gradient of one's own, as `torch.autograd.Function`: returns the function to call. */
export function customFunction<Inputs extends readonly Tensor[]>(
  definition: CustomFunction<Inputs>,
): (...inputs: Inputs) => Tensor[] {
  return (...inputs) =>
    scope(() => {
      const saved: Tensor[] = [];
      const context: FunctionContext = { save: (...tensors) => void saved.push(...tensors) };
      const outputs = asList(noGrad(() => definition.forward(context, ...inputs)));
      return native
        .customFunction(
          handles(inputs),
          handles(outputs),
          handles(saved),
          (gradients, unpacked) => runBackward(definition, gradients, unpacked),
          definition.name,
        )
        .map((handle) => new Tensor(handle));
    });
}

function runBackward<Inputs extends readonly Tensor[]>(
  definition: CustomFunction<Inputs>,
  gradients: readonly Handle[],
  saved: readonly Handle[],
): (Handle | null)[] {
  return scope(() =>
    definition
      .backward(
        gradients.map((handle) => new Tensor(handle)),
        saved.map((handle) => new Tensor(handle)),
      )
      .map(handOver),
  );
}

/** A handle of its own for libtorch to take over, so that the scope can free its `Tensor`. */
function handOver(tensor: Tensor | null): Handle | null {
  return tensor && native.duplicate(tensor.handle);
}

function asList(tensors: Tensor | readonly Tensor[]): readonly Tensor[] {
  return tensors instanceof Tensor ? [tensors] : tensors;
}

function handles(tensors: readonly Tensor[]): Handle[] {
  return tensors.map((tensor) => tensor.handle);
}
