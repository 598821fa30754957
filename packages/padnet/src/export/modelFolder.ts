/**
 * A trained network as a folder that answers without libtorch: the compact form, a graph of ONNX, and what a program
 * has to know of both (`padnet.json`, see `Manifest` of @padnet/runtime). The graph is run beside libtorch before
 * anything of it is written.
 */
import { expandWeights, readSafetensors, type Manifest } from '@padnet/runtime';
import { fromTypedArray, noGrad, scope, type Tensor } from '@padnet/torch';
import type { InferenceSession } from 'onnxruntime-node';
import { InputError, reasonOf } from '../errors.js';
import { maxTokens, type SequenceClassifier } from '../models/index.js';
import { textClassNames, type SavedModel, type TokenizerFiles } from '../runs/index.js';
import { pictureInput } from '../training/index.js';
import { compactFile, readCompactFile, type CompactDType } from './compactForm.js';
import { encodeOnnx } from './onnxFile.js';
import { pictureGraph, type ExportedGraph } from './pictureGraph.js';
import { textGraph } from './textGraph.js';
import { trainingForm } from './trainingForm.js';

/** What a graph is made for. */
export const exportTargets = ['node', 'web'] as const;
export type ExportTarget = (typeof exportTargets)[number];

export interface ExportOptions {
  /** The network in words. */
  readonly name: string;
  /** @default 'node' */
  readonly target?: ExportTarget;
  /** What the weights of `model.safetensors` are stored as. @default 'float32' */
  readonly dtype?: CompactDType;
  /** Of texts: the files of the tokenizer. @default none */
  readonly tokenizer?: TokenizerFiles;
  /** Inputs that the graph is tried on beside random ones, such as some of the test data. @default none */
  readonly samples?: readonly GraphInputs[];
}

/** A batch as the inputs of a graph, by name: `pixels`, or `input_ids`, `attention_mask` and `token_type_ids`. */
export type GraphInputs = Readonly<Record<string, GraphInput>>;

export interface GraphInput {
  readonly numbers: Float32Array | BigInt64Array;
  /** [batch, …] */
  readonly shape: readonly number[];
}

/** An exported network. */
export interface ModelFolder {
  readonly manifest: Manifest;
  /** Contents by name, `padnet.json` last. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** Largest difference from libtorch's logits, over the largest of these, on everything that was tried. */
  readonly difference: number;
  /** Samples that were tried. */
  readonly tried: { readonly random: number; readonly given: number };
}

const names = { graph: 'model.onnx', compact: 'model.safetensors', weights: 'weights.bin' } as const;

/** The largest difference, over the largest logit, that rounding explains. */
export const MOST_DIFFERENCE = 1e-4;

/**
 * @throws InputError where a layer has no graph, onnxruntime cannot be loaded, or the graph's answers are not the
 *   network's
 */
export async function exportModel(model: SavedModel, options: ExportOptions): Promise<ModelFolder> {
  const { dtype = 'float32', samples = [], tokenizer } = options;
  const compact = compactFile(model, { dtype, ...(tokenizer && { tokenizer }) });
  const stored = readSafetensors(compact, names.compact);
  const exported = graphOf(model, stored.tensors);
  const manifest = manifestOf(model, exported, options);
  const { name, classNames } = manifest;
  const graph = encodeOnnx(exported.graph, { name, classNames: JSON.stringify(classNames), padnet: 'padnet-export-1' });
  const weights = expandWeights(stored, manifest.weights, names.compact);
  const random = randomInputs(model);
  const network =
    dtype === 'float32' ? model.network : trainingForm(readCompactFile(compact, names.compact), names.compact);
  const session = await openSession(graph, weights);
  let difference = 0;
  try {
    for (const inputs of [...random, ...samples])
      difference = Math.max(difference, await relativeDifference(session, network as SavedModel['network'], inputs));
  } finally {
    await session.release();
  }
  if (!(difference <= MOST_DIFFERENCE)) {
    throw new InputError(
      `the graph's logits differ from the network's by ${difference.toExponential(1)} of the largest, expected at ` +
        `most ${MOST_DIFFERENCE}; nothing was written; please report this network`,
    );
  }
  return {
    manifest,
    difference,
    tried: { random: sizeOf(random), given: sizeOf(samples) },
    files: new Map<string, string | Uint8Array>([
      ...(tokenizer ?? []),
      [names.compact, compact],
      [names.weights, weights],
      [names.graph, graph],
      ['padnet.json', `${JSON.stringify(manifest)}\n`],
    ]),
  };
}

function graphOf(model: SavedModel, tensors: Parameters<typeof pictureGraph>[1]): ExportedGraph {
  if (model.modality === 'text') return textGraph(model.network, tensors, names.weights);
  const { inChannels, size } = model.description;
  return pictureGraph(model.network, tensors, [inChannels, ...size], names.weights);
}

function manifestOf(model: SavedModel, exported: ExportedGraph, options: ExportOptions): Manifest {
  const { name, target = 'node' } = options;
  const { weights, outputs } = exported;
  const common = {
    format: 'padnet-export-1' as const,
    name,
    layer: model.description.model.layer,
    target,
    graph: names.graph,
    compact: names.compact,
    weights: { file: names.weights, bytes: weights.bytes, tensors: weights.entries },
    outputs: [...outputs],
  };
  if (model.modality === 'image') {
    const { classNames, normalise } = model.description;
    const { channels, height, width, cropFraction } = pictureInput(model.description).shape;
    const picture = { channels, height, width, cropFraction, ...normalise };
    return { ...common, modality: 'image', classNames, picture };
  }
  const { network, description } = model;
  const { definition, maxLength } = description;
  const classNames = textClassNames(model);
  return {
    ...common,
    modality: 'text',
    classNames: classNames && [...classNames],
    text: {
      maxLength: Math.min(maxLength, maxTokens(network.config)),
      pair: definition?.columns.second != null,
      padTokenId: network.config.padTokenId,
    },
  };
}

async function openSession(graph: Uint8Array, weights: Uint8Array): Promise<InferenceSession> {
  let onnxruntime: typeof import('onnxruntime-node');
  try {
    onnxruntime = await import('onnxruntime-node');
  } catch (cause) {
    throw new InputError(
      'onnxruntime-node, which the graph is checked with, cannot be loaded; install it with `npm install ' +
        'onnxruntime-node` (ONNXRUNTIME_NODE_INSTALL=skip leaves out its GPU parts)',
      { cause },
    );
  }
  try {
    return await onnxruntime.InferenceSession.create(graph, {
      externalData: [{ path: names.weights, data: weights }],
      logSeverityLevel: 3,
    });
  } catch (cause) {
    throw new InputError(`onnxruntime refuses the graph (${reasonOf(cause)}); please report this network`, { cause });
  }
}

/** Largest difference of logits over the largest logit. */
async function relativeDifference(
  session: InferenceSession,
  network: SavedModel['network'],
  inputs: GraphInputs,
): Promise<number> {
  const { Tensor: OnnxTensor } = await import('onnxruntime-node');
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { numbers, shape }]) => [
      name,
      numbers instanceof Float32Array
        ? new OnnxTensor('float32', numbers, shape)
        : new OnnxTensor('int64', numbers, shape),
    ]),
  );
  const { logits } = await session.run(feeds, ['logits']);
  const found = logits!.data as Float32Array;
  const expected = scope(() => noGrad(() => forward(network, inputs).toTypedArray() as Float32Array));
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const difference = expected.reduce((most, value, index) => Math.max(most, Math.abs(value - found[index]!)), 0);
  return difference === 0 ? 0 : difference / largest;
}

function forward(network: SavedModel['network'], inputs: GraphInputs): Tensor {
  const tensorOf = ({ numbers, shape }: GraphInput): Tensor => fromTypedArray(numbers, shape);
  const { pixels, input_ids: ids, attention_mask: mask, token_type_ids: types } = inputs;
  if (pixels) return (network as { forward(input: Tensor): Tensor }).forward(tensorOf(pixels));
  const texts = { inputIds: tensorOf(ids!), attentionMask: tensorOf(mask!), tokenTypeIds: tensorOf(types!) };
  return (network as SequenceClassifier).forward(texts).logits;
}

/** Batches of 1 and 3: for texts of 1 token to as many as the network takes, up to 17, with padding. */
function randomInputs(model: SavedModel): GraphInputs[] {
  const draw = uniform(1);
  if (model.modality === 'image') {
    const { inChannels, size } = model.description;
    return [1, 3].map((batch) => {
      const shape = [batch, inChannels, ...size];
      const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 4 * draw() - 2);
      return { pixels: { numbers, shape } };
    });
  }
  const { config } = model.network;
  const { vocabSize, padTokenId, typeVocabSize } = config;
  const longest = Math.min(17, model.description.maxLength, maxTokens(config));
  return [
    [1, 1],
    [1, longest],
    [3, longest],
  ].map(([batch = 0, length = 0]) => {
    const shape = [batch, length];
    // Each text is a token shorter than the one before it.
    const lengthOf = (row: number): number => Math.max(1, length - row);
    const isReal = Array.from({ length: batch * length }, (_, at) => at % length < lengthOf(Math.floor(at / length)));
    const each = (make: (real: boolean) => number): GraphInput => {
      return { shape, numbers: BigInt64Array.from(isReal, (real) => BigInt(make(real))) };
    };
    const token = (): number => {
      const id = Math.floor(draw() * vocabSize);
      return id === padTokenId ? (id + 1) % vocabSize : id;
    };
    return {
      input_ids: each((real) => (real ? token() : padTokenId)),
      attention_mask: each((real) => (real ? 1 : 0)),
      token_type_ids: each((real) => (real ? Math.floor(draw() * Math.min(2, typeVocabSize)) : 0)),
    };
  });
}

/** The same numbers from 0 to 1 for every network. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function sizeOf(batches: readonly GraphInputs[]): number {
  return batches.reduce((sum, inputs) => sum + Object.values(inputs)[0]!.shape[0]!, 0);
}
