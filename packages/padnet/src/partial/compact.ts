/**
 * The compact form of a network's weights: of each partial layer only the numbers in use are kept, κn of every bank entry
 * and (1 − κ)n of the static weight, with n mask bits (method.md §2). Converts both ways exactly.
 */
import { nn, noGrad, ops, scope, zeros, type Tensor } from '@padnet/torch';
import { Mask } from './mask.js';
import { PartialSource } from './partialSource.js';

interface PartialNames {
  readonly source: PartialSource;
  readonly bank: string;
  readonly staticWeight: string;
}

function partialSources(network: nn.Module): PartialNames[] {
  const found: PartialNames[] = [];
  for (const [path, source] of network.namedModules()) {
    if (!(source instanceof PartialSource)) continue;
    const prefix = path === '' ? '' : `${path}.`;
    found.push({ source, bank: `${prefix}bank`, staticWeight: `${prefix}static_weight` });
  }
  return found;
}

/**
 * The state dict with each partial source's `bank` as [K, κn] and `static_weight` as [(1 − κ)n], entries in row-major order;
 * everything else unchanged. Tensors of partial sources are copies, owned by the caller.
 */
export function compactStateDict(network: nn.Module): Map<string, Tensor> {
  const state = network.stateDict();
  noGrad(() => {
    for (const { source, bank, staticWeight } of partialSources(network)) {
      const [inside, outside] = scope(() => {
        const mask = source.mask.toTensor().to(source.bank.device).reshape([-1]);
        const [numKernels = 0] = source.bank.shape;
        const dynamicEntries = ops.nonzero(mask).reshape([-1]);
        const staticEntries = ops.nonzero(mask.logicalNot()).reshape([-1]);
        return [
          source.bank.detach().reshape([numKernels, -1]).indexSelect(1, dynamicEntries),
          source.staticWeight.detach().reshape([-1]).indexSelect(0, staticEntries),
        ] as const;
      });
      state.set(bank, inside);
      state.set(staticWeight, outside);
    }
  });
  return state;
}

/**
 * Loads what `compactStateDict` gave into a network of the same kind. Entries that are not in use become zero.
 *
 * @throws RangeError naming the tensors that do not fit; then nothing was changed
 */
export function loadCompactStateDict(network: nn.Module, state: nn.StateDict): void {
  const full = new Map(state);
  scope(() => {
    noGrad(() => {
      for (const { source, bank, staticWeight } of partialSources(network)) {
        const bits = state.get(bank.replace(/bank$/, 'mask_bits'));
        const inside = state.get(bank);
        const outside = state.get(staticWeight);
        if (!bits || !inside || !outside || bits.shape.join() !== source.maskBits.shape.join()) continue; // loadStateDict says which
        const shape = source.shape;
        const mask = unpackedMask(bits, shape);
        const [numKernels = 0] = source.bank.shape;
        const size = mask.numel;
        const dynamicEntries = ops.nonzero(mask).reshape([-1]);
        const staticEntries = ops.nonzero(mask.logicalNot()).reshape([-1]);
        const fits =
          inside.shape.join() === [numKernels, dynamicEntries.numel].join() &&
          outside.shape.join() === String(staticEntries.numel);
        if (!fits) {
          throw new RangeError(
            `the weights do not fit: ${bank} [${inside.shape.join(', ')}] and ${staticWeight} [${outside.shape.join(', ')}] ` +
              `where the mask asks for [${numKernels}, ${dynamicEntries.numel}] and [${staticEntries.numel}]`,
          );
        }
        const dtype = inside.dtype;
        full.set(
          bank,
          ops
            .indexCopy(zeros([numKernels, size], { dtype }), 1, dynamicEntries, inside)
            .reshape([numKernels, ...shape]),
        );
        full.set(staticWeight, ops.indexCopy(zeros([size], { dtype }), 0, staticEntries, outside).reshape(shape));
      }
      network.loadStateDict(full);
    });
  });
}

function unpackedMask(bits: Tensor, shape: readonly number[]): Tensor {
  return Mask.fromBits(shape, bits.toTypedArray() as Uint8Array)
    .toTensor()
    .reshape([-1]);
}
