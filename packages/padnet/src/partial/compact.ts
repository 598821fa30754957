/**
 * State dicts as they are saved: of each partial layer the numbers in use (see `PartialSource`), also where the search for its
 * mask has not come to an end.
 */
import { scope, type nn, type Tensor } from '@padnet/torch';
import { Mask } from './mask.js';
import { PartialSource } from './partialSource.js';
import { SearchSource } from './searchSource.js';

/** `network.stateDict()`, with `toPartial` of every source that is still searched, at its mask. */
export function compactStateDict(network: nn.Module): Map<string, Tensor> {
  const state = network.stateDict();
  for (const [path, source] of network.namedModules()) {
    if (!(source instanceof SearchSource)) continue;
    for (const [name, tensor] of source.toPartial(source.mask).stateDict()) state.set(join(path, name), tensor);
  }
  return state;
}

/**
 * Loads what `compactStateDict` gave into a network of the same kind, whose partial layers get the masks of `state`.
 *
 * @throws RangeError naming the tensors that do not fit; then nothing was changed
 */
export function loadCompactStateDict(network: nn.Module, state: nn.StateDict): void {
  const sources = Array.from(network.namedModules()).filter(
    (entry): entry is [string, SearchSource | PartialSource] =>
      entry[1] instanceof SearchSource || entry[1] instanceof PartialSource,
  );
  try {
    for (const [path, source] of sources) {
      const bits = state.get(join(path, 'mask_bits'));
      if (bits?.shape.join() === source.maskBits.shape.join()) network.replaceModule(path, emptyLike(source, bits));
    }
    network.loadStateDict(state);
  } catch (error) {
    for (const [path, source] of sources) network.replaceModule(path, source);
    throw error;
  }
}

/** As `source`, for another mask. */
function emptyLike(
  { bank, shape, numKernels, scaleMode, training }: SearchSource | PartialSource,
  bits: Tensor,
): PartialSource {
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
