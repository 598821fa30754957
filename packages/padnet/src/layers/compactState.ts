/**
 * State dicts as they are saved: of each partial layer the numbers in use (see `PartialSource`), also where the search
 * for its mask has not come to an end; of a layer that a partition made static the weight alone.
 */
import { scope, type nn, type Tensor } from '@padnet/torch';
import { isMasked, Mask, PartialSource, sourceOf, type MaskedSource } from '../partial/index.js';
import { isDynamicLayer } from './dynamicLayer.js';
import { emptyStaticLayer, markPartitioned } from './staticLayer.js';

/** `network.stateDict()`, with `toPartial` of every source that is still searched, at its mask. */
export function compactStateDict(network: nn.Module): Map<string, Tensor> {
  const state = network.stateDict();
  for (const [path, module] of network.namedModules()) {
    const source = sourceOf(module);
    if (source?.kind !== 'searched') continue;
    for (const [name, tensor] of source.toPartial(source.mask).stateDict()) state.set(join(path, name), tensor);
  }
  return state;
}

/**
 * Loads what `compactStateDict` gave into a network of the same kind: partial layers get the masks of `state`, and
 * those that are static in it become so.
 *
 * @throws RangeError naming the tensors that do not fit; then nothing was changed
 */
export function loadCompactStateDict(network: nn.Module, state: nn.StateDict): void {
  const replaced: [path: string, module: nn.Module][] = [];
  const made = new Map<nn.Module, nn.Module>(); // a module that is reached by two paths stays one
  try {
    for (const [path, module] of [...network.namedModules()]) {
      const replacement = made.get(module) ?? asSaved(path, module, state);
      if (replacement === null) continue;
      made.set(module, replacement);
      replaced.push([path, module]);
      network.replaceModule(path, replacement);
    }
    network.loadStateDict(state);
  } catch (error) {
    for (const [path, module] of replaced.reverse()) network.replaceModule(path, module);
    throw error;
  }
}

/** The module of zeros that takes the place of `module`; null where that stays. */
function asSaved(path: string, module: nn.Module, state: nn.StateDict): nn.Module | null {
  const source = sourceOf(module);
  if (isMasked(source)) {
    const bits = state.get(join(path, 'mask_bits'));
    return bits?.shape.join() === source.maskBits.shape.join() ? emptyLike(source, bits) : null;
  }
  if (path === '' || !isDynamicLayer(module) || !isStaticIn(state, path)) return null;
  const layer = emptyStaticLayer(module, state.has(`${path}.bias`));
  markPartitioned(layer, module.source.shape);
  return layer;
}

/** Whether a layer has a weight and nothing that it would mix. */
function isStaticIn(state: nn.StateDict, path: string): boolean {
  return state.has(`${path}.weight`) && ![...state.keys()].some((name) => name.startsWith(`${path}.source.`));
}

/** As `source`, for another mask. */
function emptyLike({ bank, shape, numKernels, scaleMode, training }: MaskedSource, bits: Tensor): PartialSource {
  const mask = Mask.fromBits(
    shape,
    scope(() => bits.toTypedArray() as Uint8Array),
  );
  const { dtype, device } = bank;
  return PartialSource.empty({ numKernels, mask, scaleMode, dtype }).to(device).train(training);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
