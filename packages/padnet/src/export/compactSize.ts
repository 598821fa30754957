/** What a compact file holds, and what the same network would need in other forms. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { decodeSafetensors, nn, scope } from '@padnet/torch';
import { DecomposedConv2d, isDynamicLayer, partitionedShape } from '../layers/index.js';
import { isMasked, numEntries } from '../partial/index.js';
import type { SavedModel } from '../runs/index.js';
import type { CompactDType } from './compactForm.js';

const partNames = ['dynamic', 'static', 'maskBits', 'rest'] as const;
export type PartName = (typeof partNames)[number];

export interface Part {
  /** Bits, of masks. */
  readonly numbers: number;
  /** With the scales of whole numbers. */
  readonly bytes: number;
}

export interface CompactSize {
  readonly dtype: CompactDType;
  /** Of the whole file. */
  readonly bytes: number;
  /** Numbers of dynamic and partial layers; `rest` is all others: static layers, routers, biases. */
  readonly parts: Readonly<Record<PartName, Part>>;
  /** Bytes of names, description and tokenizer. */
  readonly descriptionBytes: number;
  /** Entries of the weights of dynamic and partial layers: n. */
  readonly entries: number;
  /** Those of them that depend on the input: κn. */
  readonly dynamicEntries: number;
  /** Bytes of a number times ((1 − κ)n + Kκn), summed over these layers, + n/8 of those with a mask + rest. */
  readonly formulaBytes: number;
  /** Bytes of other forms, with the same names and description. */
  readonly others: {
    readonly gzip: number;
    /** The same network with static layers, in the same dtype. */
    readonly static: number;
    /** With dynamic layers: Kn. */
    readonly dynamic: number;
    /** What the published code writes, all in float32: banks and static weight whole, the mask as numbers: (K + 2)n. */
    readonly published: number;
  };
}

const itemBytes: Readonly<Record<CompactDType, number>> = { float32: 4, float16: 2, bfloat16: 2, int8: 1 };

/** @param file the compact file of `model` */
export async function compactSize(
  { network }: SavedModel,
  file: Uint8Array,
  dtype: CompactDType,
): Promise<CompactSize> {
  const parts = { dynamic: none(), static: none(), maskBits: none(), rest: none() };
  // Of a static network.
  const restOfStatic = none();
  const restOfAll = none();
  const partOf = partsOf(network);
  for (const { name, numbers, bytes } of tensorsOf(file)) {
    const isScale = name.endsWith('.scale');
    const part = partOf(isScale ? name.slice(0, -'.scale'.length) : name);
    add(parts[part.name], isScale ? 0 : part.name === 'maskBits' ? 8 * numbers : numbers, bytes);
    if (part.name !== 'rest') continue;
    add(restOfAll, numbers, 4 * numbers);
    if (!part.isOfDynamic) add(restOfStatic, numbers, bytes);
  }
  const size = itemBytes[dtype];
  const totals = { entries: 0, dynamicEntries: 0, formula: 0, static: 0, dynamic: 0, published: 0 };
  for (const { entries, dynamicEntries, staticEntries, kernels, hasMask, ofStatic } of layersOf(network)) {
    totals.entries += entries;
    totals.dynamicEntries += dynamicEntries;
    totals.formula += size * (staticEntries + kernels * dynamicEntries) + (hasMask ? entries / 8 : 0);
    totals.static += size * ofStatic.weights + 4 * ofStatic.biases;
    totals.dynamic += size * kernels * entries;
    totals.published += 4 * (kernels + 2) * entries;
  }
  const inParts = partNames.reduce((sum, name) => sum + parts[name].bytes, 0);
  const descriptionBytes = file.length - inParts;
  const { entries, dynamicEntries } = totals;
  return {
    dtype,
    bytes: file.length,
    parts,
    descriptionBytes,
    entries,
    dynamicEntries,
    formulaBytes: Math.ceil(totals.formula) + parts.rest.bytes,
    others: {
      gzip: (await promisify(gzip)(file)).length,
      static: totals.static + restOfStatic.bytes + descriptionBytes,
      dynamic: totals.dynamic + parts.rest.bytes + descriptionBytes,
      published: totals.published + restOfAll.bytes + descriptionBytes,
    },
  };
}

interface Sum {
  numbers: number;
  bytes: number;
}

function none(): Sum {
  return { numbers: 0, bytes: 0 };
}

function add(sum: Sum, numbers: number, bytes: number): void {
  sum.numbers += numbers;
  sum.bytes += bytes;
}

function tensorsOf(file: Uint8Array): { readonly name: string; readonly numbers: number; readonly bytes: number }[] {
  return scope(() =>
    Array.from(decodeSafetensors(file).tensors, ([name, { numel, byteLength }]) => ({
      name,
      numbers: numel,
      bytes: byteLength,
    })),
  );
}

interface TensorPart {
  readonly name: PartName;
  /** Whether a static network has nothing like it. */
  readonly isOfDynamic: boolean;
}

/** The part that a tensor belongs to, by its name. */
function partsOf(network: SavedModel['network']): (name: string) => TensorPart {
  const parts = new Map<string, TensorPart>();
  const dynamicLayers: string[] = [];
  for (const [path, module] of network.namedModules()) {
    const partitioned = partitionedShape(module);
    if (partitioned) {
      const name = isWhole(module, partitioned) ? 'static' : 'rest';
      parts.set(`${path}.weight`, { name, isOfDynamic: false });
    }
    if (!isDynamicLayer(module)) continue;
    dynamicLayers.push(path);
    parts.set(`${path}.source.bank`, { name: 'dynamic', isOfDynamic: true });
    parts.set(`${path}.source.static_weight`, { name: 'static', isOfDynamic: true });
    parts.set(`${path}.source.mask_bits`, { name: 'maskBits', isOfDynamic: true });
    for (const kept of ['weight', 'bias']) parts.set(`${path}.${kept}`, { name: 'rest', isOfDynamic: false });
  }
  return (name) =>
    parts.get(name) ?? { name: 'rest', isOfDynamic: dynamicLayers.some((path) => name.startsWith(`${path}.`)) };
}

/** Whether the weight of a static layer is what was partitioned; of DCD it was a matrix that went into the weight. */
function isWhole(module: nn.Module, partitioned: readonly number[]): boolean {
  return (
    (module instanceof nn.Conv || module instanceof nn.Linear) && module.weight.shape.join() === partitioned.join()
  );
}

interface LayerSize {
  readonly entries: number;
  readonly dynamicEntries: number;
  /** Those that are stored. */
  readonly staticEntries: number;
  /** K */
  readonly kernels: number;
  readonly hasMask: boolean;
  /** Numbers of the static layer that are not among the dynamic one's. */
  readonly ofStatic: { readonly weights: number; readonly biases: number };
}

function layersOf(network: SavedModel['network']): LayerSize[] {
  const layers = Array.from(network.namedModules(), ([, module]) => module).filter(isDynamicLayer);
  const mostKernels = Math.max(1, ...layers.map(({ source }) => source.numKernels ?? 1));
  return Array.from(network.namedModules()).flatMap(([, module]): LayerSize[] => {
    const partitioned = partitionedShape(module);
    if (partitioned) {
      const entries = numEntries(partitioned);
      const staticEntries = isWhole(module, partitioned) ? entries : 0;
      const ofStatic = { weights: staticEntries, biases: 0 };
      return [{ entries, dynamicEntries: 0, staticEntries, kernels: mostKernels, hasMask: false, ofStatic }];
    }
    if (!isDynamicLayer(module)) return [];
    const { source } = module;
    const entries = numEntries(source.shape);
    const hasMask = isMasked(source);
    const dynamicEntries = hasMask ? source.mask.count : source.kind === 'dynamic' ? entries : 0;
    const isDecomposed = module instanceof DecomposedConv2d;
    const biases = !isDecomposed && module.biasBank ? module.biasBank.shape[1]! : 0;
    return [
      {
        entries,
        dynamicEntries,
        staticEntries: entries - dynamicEntries,
        kernels: source.numKernels ?? 1,
        hasMask,
        ofStatic: { weights: isDecomposed ? 0 : entries, biases },
      },
    ];
  });
}
