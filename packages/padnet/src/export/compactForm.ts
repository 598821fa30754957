/**
 * A trained network as one file: the compact form of its weights (`compactTensors`), what it is, and the tokenizer that
 * it reads texts with. docs/compact-form.md says it byte by byte.
 */
import { decodeSafetensors, encodeSafetensors, fromTypedArray, ops, scope, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError, reasonOf } from '../errors.js';
import { parseJson } from '../jsonFile.js';
import { parseAs } from '../schemaProblems.js';
import { isDynamicLayer } from '../layers/index.js';
import { Mask, numEntries } from '../partial/index.js';
import type { FileKind } from '../outputFile.js';
import {
  describedModel,
  isTokenizerFile,
  parseStoredModel,
  type SavedModel,
  type StoredModel,
  type TokenizerFiles,
} from '../runs/index.js';
import { compactTensors } from './compactTensors.js';
import { dequantise, evenChannels, partialChannels, quantise } from './quantise.js';

const format = 'padnet-compact-1';

/** What weights are stored as; everything else is float32. */
export const compactDTypes = ['float32', 'float16', 'bfloat16', 'int8'] as const;
export type CompactDType = (typeof compactDTypes)[number];

/** The weight of a dynamic or partial layer, which its tensors are the parts of. */
export interface StoredLayer {
  readonly shape: readonly number[];
  /** K */
  readonly kernels: number;
}

export interface CompactFile {
  readonly dtype: CompactDType;
  readonly description: StoredModel;
  /** Dynamic and partial layers by their paths. */
  readonly layers: ReadonlyMap<string, StoredLayer>;
  /** None for pictures. */
  readonly tokenizer: TokenizerFiles;
  /** As `compactTensors`, float32 but for the bits of masks; they belong to the enclosing scope. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export interface CompactOptions {
  /** @default 'float32' */
  readonly dtype?: CompactDType;
  /** The files of its tokenizer, for texts. @default none */
  readonly tokenizer?: TokenizerFiles;
}

export const compactKind: FileKind = {
  name: 'compact file of padnet',
  isOne: (beginning) => /^.{8}\{"__metadata__":\{"dtype":"\w+","format":"padnet-compact-/s.test(beginning),
};

/**
 * The bytes of a compact file. The same network gives the same bytes.
 *
 * @throws InputError where the network's router is code, or a number does not fit the dtype
 */
export function compactFile(model: SavedModel, { dtype = 'float32', tokenizer }: CompactOptions = {}): Uint8Array {
  const { network } = model;
  const description = shippable(describedModel(model));
  const layers: Record<string, StoredLayer> = {};
  for (const [path, module] of network.namedModules()) {
    if (!isDynamicLayer(module) || module.source.numKernels === null) continue;
    layers[path] = { shape: module.source.shape, kernels: module.source.numKernels };
  }
  return scope(() => {
    const tensors = storedAs(dtype, compactTensors(network), layers);
    const texts = Array.from(tokenizer ?? [], ([name, bytes]) => [name, Buffer.from(bytes).toString('utf8')]);
    return encodeSafetensors(tensors, {
      format,
      dtype,
      model: JSON.stringify({ ...description, layers }),
      ...(texts.length > 0 && { tokenizer: JSON.stringify(Object.fromEntries(texts)) }),
    });
  });
}

/** Without the places on this machine that its weights once came from. @throws InputError where its router is code */
function shippable(description: StoredModel): StoredModel {
  if (description.modality === 'text') {
    const pretrained = description.model.pretrained.split(/[\\/]/).findLast((part) => part !== '') ?? 'encoder';
    return { ...description, model: { ...description.model, pretrained } };
  }
  const { router } = description.model;
  if (router !== undefined)
    throw new InputError(
      `${router} has the router of this network, and a compact file has numbers alone; train with one of ` +
        'model.convolution dyconv, condconv, odconv or dcd to ship it',
    );
  return { ...description, model: { ...description.model, pretrained: undefined } };
}

function storedAs(
  dtype: CompactDType,
  tensors: ReadonlyMap<string, Tensor>,
  layers: Readonly<Record<string, StoredLayer>>,
): Map<string, Tensor> {
  const stored = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const wide = tensor.dtype === 'uint8' ? tensor : tensor.to('float32');
    if (!isWeight(name, tensor) || dtype === 'float32') {
      stored.set(name, wide);
    } else if (dtype === 'int8') {
      checkFinite(wide, name, dtype);
      const { channelOf, scaleShape } = channelsOf(name, tensor.shape, tensors, layers);
      const weights = wide.toTypedArray() as Float32Array;
      const { numbers, scales } = quantise(weights, channelOf, numEntries(scaleShape));
      stored.set(name, fromTypedArray(numbers).reshape(tensor.shape));
      stored.set(`${name}.scale`, fromTypedArray(scales).reshape(scaleShape));
    } else {
      const narrow = wide.to(dtype);
      checkFinite(narrow, name, dtype);
      stored.set(name, narrow);
    }
  }
  return stored;
}

function checkFinite(tensor: Tensor, name: string, dtype: CompactDType): void {
  if (ops.all(tensor.isfinite()).item() === 1) return;
  throw new InputError(`${name} has numbers that ${dtype} cannot hold; choose float32`);
}

/** Whether it is stored in the file's dtype: weights of layers, but not of routers. */
function isWeight(name: string, { shape }: Pick<Tensor, 'shape'>): boolean {
  if (/\.source\.(bank|static_weight)$/.test(name)) return true;
  return shape.length >= 2 && !name.includes('.router.') && /(^|\.)(weight|q|p)$/.test(name);
}

interface Channels {
  readonly channelOf: (index: number) => number;
  readonly scaleShape: readonly number[];
}

/** The output channels that a tensor's scales are of: [O], of banks [K, O]. */
function channelsOf(
  name: string,
  shape: readonly number[],
  tensors: ReadonlyMap<string, Tensor>,
  layers: Readonly<Record<string, StoredLayer>>,
): Channels {
  const [, layer = '', part] = /^(.*)\.source\.(bank|static_weight)$/.exec(name) ?? [];
  const bits = tensors.get(`${layer}.source.mask_bits`);
  if (part !== undefined && bits) {
    const { shape: weight, kernels } = layers[layer]!;
    const mask = Mask.fromBits(weight, bits.toTypedArray() as Uint8Array);
    const expected = part === 'bank' ? [kernels, mask.count] : [mask.size - mask.count];
    if (shape.join() !== expected.join())
      throw new RangeError(`${name} has shape [${shape.join(', ')}], expected [${expected.join(', ')}]`);
    const channels = partialChannels(mask);
    const [numChannels = 0] = weight;
    return part === 'bank'
      ? { channelOf: channels.bank, scaleShape: [kernels, numChannels] }
      : { channelOf: channels.staticWeight, scaleShape: [numChannels] };
  }
  const scaleShape = shape.slice(0, part === 'bank' ? 2 : 1);
  return { channelOf: evenChannels(numEntries(shape), numEntries(scaleShape)), scaleShape };
}

const metadataSchema = z.looseObject({
  format: z.literal(format),
  dtype: z.enum(compactDTypes),
  model: z.string(),
  tokenizer: z.string().optional(),
});

const layersSchema = z.record(
  z.string(),
  z.strictObject({ shape: z.array(z.int().min(1)).min(1), kernels: z.int().min(1) }),
);

const wayOut = 'get the file again';

/**
 * @param name what messages call it
 * @throws InputError where it is no compact file, one of another version, or damaged
 */
export function readCompactFile(bytes: Uint8Array, name: string): CompactFile {
  const { tensors: stored, metadata } = decoded(bytes, name);
  const { format: found = 'no format' } = metadata;
  if (found !== format) {
    throw new InputError(
      found.startsWith('padnet-compact-')
        ? `${name} has the format ${found}, expected ${format}; write it again with this version's \`padnet compact\``
        : `${name} is not a compact file; expected one that \`padnet compact\` wrote`,
    );
  }
  const header = parsed(metadata, metadataSchema, name);
  const { layers: given = {}, ...json } = parseJson(header.model, `${name}, model`, z.looseObject({}), {
    expected: 'the description of a network',
    wayOut,
  });
  const layers = parsed(given, layersSchema, `${name}, layers`);
  const texts = parseJson(header.tokenizer ?? '{}', `${name}, tokenizer`, z.record(z.string(), z.string()), {
    expected: 'the files of a tokenizer',
    wayOut,
  });
  const foreign = Object.keys(texts).find((file) => !isTokenizerFile(file));
  if (foreign !== undefined) throw new InputError(`${name}: ${foreign} is no file of a tokenizer; ${wayOut}`);
  const description = parseStoredModel(json, `${name}, model`);
  if (description.modality === 'image' && description.model.router !== undefined)
    throw new InputError(
      `${name} wants a router from ${description.model.router}; a compact file has numbers alone; ${wayOut}`,
    );
  return {
    dtype: header.dtype,
    description,
    layers: new Map(Object.entries(layers)),
    tokenizer: new Map(Object.entries(texts).map(([file, text]) => [file, Buffer.from(text)])),
    tensors: widened(stored, layers, name),
  };
}

function decoded(bytes: Uint8Array, name: string): ReturnType<typeof decodeSafetensors> {
  try {
    return decodeSafetensors(bytes, name);
  } catch (error) {
    throw new InputError(`${reasonOf(error)}; expected a file that \`padnet compact\` wrote`, { cause: error });
  }
}

function parsed<T>(value: unknown, schema: z.ZodType<T>, place: string): T {
  return parseAs(schema, value, (problems) => new InputError(`${place}: ${problems}; ${wayOut}`));
}

/** Every tensor as float32, times its scales; the bits of masks as they are. */
function widened(
  stored: ReadonlyMap<string, Tensor>,
  layers: Readonly<Record<string, StoredLayer>>,
  file: string,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of stored) {
    if (stored.get(name.replace(/\.scale$/, ''))?.dtype === 'int8' && name.endsWith('.scale')) continue;
    if (tensor.dtype === 'int8') tensors.set(name, scaled(name, tensor, stored, layers, file));
    else tensors.set(name, tensor.dtype === 'uint8' ? tensor : tensor.to('float32'));
  }
  return tensors;
}

function scaled(
  name: string,
  tensor: Tensor,
  stored: ReadonlyMap<string, Tensor>,
  layers: Readonly<Record<string, StoredLayer>>,
  file: string,
): Tensor {
  const misfit = (cause?: unknown): InputError =>
    new InputError(`${file}: ${name} does not fit its scales or its mask; ${wayOut}`, { cause });
  let channels: Channels;
  try {
    channels = channelsOf(name, tensor.shape, stored, layers);
  } catch (cause) {
    throw misfit(cause);
  }
  const scale = stored.get(`${name}.scale`);
  if (scale?.dtype !== 'float32' || scale.shape.join() !== channels.scaleShape.join()) throw misfit();
  const numbers = tensor.toTypedArray() as Int8Array;
  const scales = scale.toTypedArray() as Float32Array;
  return fromTypedArray(dequantise({ numbers, scales }, channels.channelOf)).reshape(tensor.shape);
}
