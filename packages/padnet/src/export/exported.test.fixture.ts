/** Networks as training leaves them, exported, and what libtorch and onnxruntime answer. */
import { expandWeights, readSafetensors, type OptionalOutput } from '@padnet/runtime';
import { encodeSafetensors, nn, noGrad, ones, rand, randn, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { MoELinear } from '../layers/index.js';
import type { SequenceClassifier, TextInputs, TextOutput } from '../models/index.js';
import { Mask, sourceOf } from '../partial/index.js';
import { compactTensors } from './compactTensors.js';
import type { Emission } from './layerGraph.js';
import { encodeOnnx } from './onnxFile.js';
import type { ExportedGraph } from './pictureGraph.js';
import { textGraph } from './textGraph.js';

/** How the dynamic entries of a partial layer lie; `searched`: as before a partition. */
export type MaskKind = 'entries' | 'rows' | 'columns' | 'full' | 'empty' | 'searched';

/** Random numbers wherever fresh networks have zeros and ones, and masks that a partition could have found. */
export function trainedLike<N extends nn.Module>(network: N, mask: MaskKind = 'entries'): N {
  noGrad(() => {
    for (const [path, module] of [...network.namedModules()]) {
      scope(() => {
        drawNumbers(module);
        const source = sourceOf(module);
        if (source?.kind !== 'searched') return;
        source.phi?.fill_(0.3);
        source.staticWeight.copy_(source.bank.select(0, 0).add(randn(source.shape).mul(source.bank.std())));
        if (mask === 'searched') return;
        network.replaceModule(path, source.toPartial(Mask.fromTensor(drawMask(source.shape, mask))));
      });
    }
  });
  return network.eval();
}

function drawNumbers(module: nn.Module): void {
  const draw = (parameter: Tensor | null, mean: number, deviation: number): void => {
    parameter?.copy_(randn(parameter.shape).mul(deviation).add(mean));
  };
  if (module instanceof nn.BatchNorm || module instanceof nn.LayerNorm) {
    module.weight?.copy_(rand(module.weight.shape).add(0.5));
    draw(module.bias, 0, 0.2);
  }
  if (module instanceof nn.BatchNorm) {
    draw(module.runningMean, 0, 0.1);
    module.runningVar?.copy_(rand(module.runningVar.shape).add(0.5));
  }
  if (module instanceof nn.Linear) draw(module.bias, 0, 0.2);
  if (module instanceof MoELinear) {
    draw(module.biasBank, 0, 0.5);
    draw(module.router.wGate, 0, 1);
  }
}

function drawMask(shape: readonly number[], kind: Exclude<MaskKind, 'searched'>): Tensor {
  const [rows = 0, ...others] = shape;
  const drawn = (of: readonly number[]): Tensor => rand(of).lt(0.4).to('float32');
  switch (kind) {
    case 'entries':
      return drawn(shape);
    case 'rows':
      return drawn([rows, ...others.map(() => 1)]).expand(shape);
    case 'columns':
      return drawn([1, ...others]).expand(shape);
    case 'full':
      return ones(shape);
    case 'empty':
      return zeros(shape);
  }
}

/** A graph and its weights, as files have them. */
export interface ExportedFiles {
  readonly onnx: Uint8Array;
  /** `weights.bin`, made of the compact form as a runtime makes it. */
  readonly weights: Uint8Array<ArrayBuffer>;
  readonly outputs: readonly OptionalOutput[];
}

export function exportedFiles(
  network: nn.Module,
  makeGraph: (tensors: Emission['tensors']) => ExportedGraph,
): ExportedFiles {
  return scope(() => {
    const compact = compactTensors(network);
    const { graph, weights, outputs } = makeGraph(compact);
    const file = readSafetensors(encodeSafetensors(compact), 'model.safetensors');
    const expanded = expandWeights(file, { bytes: weights.bytes, tensors: weights.entries }, 'model.safetensors');
    return { onnx: encodeOnnx(graph, {}), weights: expanded, outputs };
  });
}

export function exportedText(network: SequenceClassifier): ExportedFiles {
  return exportedFiles(network, (tensors) => textGraph(network, tensors, 'weights.bin'));
}

export function openSession({ onnx, weights }: ExportedFiles): Promise<InferenceSession> {
  return InferenceSession.create(onnx, {
    externalData: [{ path: 'weights.bin', data: weights }],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

/** What comes in and out, by name. */
export type NumbersByName = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: number[] }>;

/** The outputs of a graph for inputs of float32 or int64. */
export async function run(session: InferenceSession, inputs: Readonly<Record<string, Tensor>>): Promise<NumbersByName> {
  const feeds = Object.entries(inputs).map(([name, value]) => {
    const type = value.dtype === 'int64' ? 'int64' : 'float32';
    const data = value.toTypedArray() as BigInt64Array | Float32Array;
    return [name, new OnnxTensor(type, data, value.shape)] as const;
  });
  const results = await session.run(Object.fromEntries(feeds));
  return new Map(
    Object.entries(results).map(([name, { dims, data }]) => {
      return [name, { shape: dims, data: Array.from(data as Iterable<number | bigint>, Number) }] as const;
    }),
  );
}

/** What a text graph is given. */
export function textFeeds({ inputIds, attentionMask, tokenTypeIds }: TextInputs): Record<string, Tensor> {
  return { input_ids: inputIds, attention_mask: attentionMask, token_type_ids: tokenTypeIds! };
}

/** What libtorch gives for the names of a text graph's outputs. */
export function textAnswers(network: SequenceClassifier, inputs: TextInputs, files: ExportedFiles): NumbersByName {
  const { logits, routing } = noGrad(() => network.forward(inputs)) satisfies TextOutput;
  const numbers = (value: Tensor): { shape: readonly number[]; data: number[] } => {
    return { shape: value.shape, data: Array.from(value.toTypedArray() as Iterable<number | bigint>, Number) };
  };
  const answers = new Map([['logits', numbers(logits)]]);
  for (const [index, output] of files.outputs.entries()) {
    if (output.kind !== 'experts') continue;
    answers.set(output.experts, numbers(routing[index]!.experts));
    answers.set(output.gates, numbers(routing[index]!.weights));
  }
  return answers;
}

/** A batch of texts of several lengths, the last as long as all; of three, the second has no real token at all. */
export function someTexts(batch: number, length: number, padTokenId: number): TextInputs {
  const lengthOf = (text: number): number => {
    if (text === batch - 1) return length;
    return batch === 3 && text === 1 ? 0 : 1 + ((7 * text + 3) % length);
  };
  const each = (value: (text: number, position: number) => number, padding: number): Tensor =>
    tensor(
      Array.from({ length: batch }, (_, text) =>
        Array.from({ length }, (_, at) => (at < lengthOf(text) ? value(text, at) : padding)),
      ),
      { dtype: 'int64' },
    );
  return {
    inputIds: each((text, at) => 2 + ((31 * text + 17 * at + text * at) % 28), padTokenId),
    attentionMask: each(() => 1, 0),
    tokenTypeIds: each((text, at) => Number(at >= lengthOf(text) / 2), 0),
  };
}

/**
 * The largest difference over all outputs, relative to the largest number of each; Infinity where names, shapes,
 * experts or the likeliest class differ.
 */
export function difference(actual: NumbersByName, expected: NumbersByName): number {
  if ([...actual.keys()].sort().join() !== [...expected.keys()].sort().join()) return Infinity;
  let largest = 0;
  for (const [name, { shape, data }] of expected) {
    const other = actual.get(name)!;
    if (other.shape.join() !== shape.join()) return Infinity;
    if (name.endsWith('.experts') && other.data.join() !== data.join()) return Infinity;
    if (name === 'logits' && likeliest(other).join() !== likeliest({ shape, data }).join()) return Infinity;
    const scale = data.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
    for (const [index, number] of data.entries()) {
      const error = Math.abs(other.data[index]! - number);
      if (!(error <= largest * scale)) largest = Number.isNaN(error) ? Infinity : error / scale;
    }
  }
  return largest;
}

/** The likeliest class of each row. */
function likeliest({ shape, data }: { readonly shape: readonly number[]; readonly data: readonly number[] }): number[] {
  const [rows = 0, classes = 1] = shape;
  return Array.from({ length: rows }, (_, row) => {
    const logits = data.slice(row * classes, (row + 1) * classes);
    return logits.indexOf(Math.max(...logits));
  });
}
