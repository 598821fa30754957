/** Folders of tiny exported networks, which differ in the seed alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSafetensors, manualSeed, nn, noGrad, rand, randn, scope, type Tensor } from '@padnet/torch';
import { compactTensors } from '../../packages/padnet/dist/export/compactTensors.js';
import { ExternalWeights, GraphBuilder, type Value } from '../../packages/padnet/dist/export/graphBuilder.js';
import { encodeOnnx } from '../../packages/padnet/dist/export/onnxFile.js';
import { pictureGraph } from '../../packages/padnet/dist/export/pictureGraph.js';
import { createModel, modelSchema } from '../../packages/padnet/dist/models/index.js';
import { Mask, sourceOf } from '../../packages/padnet/dist/partial/index.js';
import { wordPieceFile, wordPieces } from '../../packages/runtime/dist/tokenizer/tokenizers.test.fixture.js';
import type { Manifest, OptionalOutput } from '@padnet/runtime';

export const classNames = ['ant', 'bee', 'cat', 'dog', 'elk'];

export const pictureShape = { channels: 3, height: 32, width: 32 };
export const normalise = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** A partial ResNet-10 whose numbers are drawn; in evaluation. */
export function pictureNetwork(seed: number): nn.Module & { forward(input: Tensor): Tensor } {
  manualSeed(seed);
  const options = modelSchema.parse({ name: 'resnet10', stem: 'small', width: 8, layer: 'partial' });
  const network = createModel(options, { inChannels: 3, numClasses: classNames.length });
  noGrad(() => {
    for (const [path, module] of [...network.namedModules()]) {
      const source = sourceOf(module);
      if (source?.kind !== 'searched') continue;
      source.staticWeight.copy_(randn(source.shape).mul(0.1));
      network.replaceModule(path, source.toPartial(Mask.fromTensor(rand(source.shape).lt(0.3).to('float32'))));
    }
  });
  return network.eval();
}

/** What each file of a folder has. */
export interface ExportedFiles {
  readonly manifest: Manifest;
  readonly compact: Uint8Array;
  readonly graph: Uint8Array;
}

export function writeExported(folder: string, { manifest, compact, graph }: ExportedFiles): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'padnet.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'model.safetensors'), compact);
  writeFileSync(join(folder, 'model.onnx'), graph);
}

const common = {
  format: 'padnet-export-1',
  target: 'node',
  graph: 'model.onnx',
  compact: 'model.safetensors',
} as const;
const metadata = { format: 'padnet-compact-1', dtype: 'float32' };

export function exportedPictures(network: ReturnType<typeof pictureNetwork>, cropFraction = 0.875): ExportedFiles {
  return scope(() => {
    const { channels, height, width } = pictureShape;
    const tensors = compactTensors(network);
    const shapes = new Map(Array.from(tensors, ([name, { shape }]) => [name, { shape: [...shape] }]));
    const { graph, weights, outputs } = pictureGraph(network, shapes, [channels, height, width], 'weights.bin');
    const manifest: Manifest = {
      ...common,
      modality: 'image',
      name: 'ResNet-10, DY-Conv with 4 kernels, κ = 0.30',
      layer: 'partial',
      classNames,
      picture: { ...pictureShape, ...normalise, cropFraction },
      weights: { file: weights.file, bytes: weights.bytes, tensors: weights.entries },
      outputs: [...outputs],
    };
    return { manifest, compact: encodeSafetensors(tensors, metadata), graph: encodeOnnx(graph, {}) };
  });
}

export const maxLength = 24;

/**
 * The mean of embeddings and token types through a linear layer, beside a router that shows its two best experts of
 * four for each token: what it gives can be computed by hand.
 *
 * @param classes null: one number
 */
export function exportedTexts(seed: number, classes: readonly string[] | null): ExportedFiles {
  return scope(() => {
    manualSeed(seed);
    const size = 6;
    const numExperts = 4;
    const drawn = {
      'embedding.weight': randn([wordPieces.length, size]),
      'types.weight': randn([2, size]),
      'classifier.weight': randn([size, classes?.length ?? 1]),
      'router.weight': randn([size, numExperts]),
    };
    const weights = new ExternalWeights('weights.bin');
    const graph = new GraphBuilder(weights);
    const stored = (name: keyof typeof drawn): Value =>
      weights.add(name, { kind: 'tensor', tensor: name, shape: [...drawn[name].shape] });
    const tokens = ['batch', 'length'];
    const ids = graph.input('input_ids', 'int64', tokens);
    const mask = graph.input('attention_mask', 'int64', tokens);
    const types = graph.input('token_type_ids', 'int64', tokens);
    const hiddenShape = ['batch', 'length', size];
    const words = graph.node('Gather', [stored('embedding.weight'), ids], ['float32', hiddenShape]);
    const kinds = graph.node('Gather', [stored('types.weight'), types], ['float32', hiddenShape]);
    const hidden = graph.node('Add', [words, kinds], ['float32', hiddenShape]);
    const last = graph.constant('int64', [2]);
    const floats = graph.node('Cast', [mask], ['float32', tokens], { attributes: { to: 1 } });
    const factor = graph.node('Unsqueeze', [floats, last], ['float32', ['batch', 'length', 1]]);
    const kept = graph.node('Mul', [hidden, factor], ['float32', hiddenShape]);
    const sum = (value: Value, shape: Value['shape']): Value =>
      graph.node('ReduceSum', [value, graph.constant('int64', [1])], ['float32', shape], {
        attributes: { keepdims: 0 },
      });
    const mean = graph.node(
      'Div',
      [sum(kept, ['batch', size]), sum(factor, ['batch', 1])],
      ['float32', ['batch', size]],
    );
    graph.output(
      'logits',
      graph.node('MatMul', [mean, stored('classifier.weight')], ['float32', ['batch', classes?.length ?? 1]]),
    );
    const flat = (value: Value, shape: readonly number[]): Value =>
      graph.node(
        'Reshape',
        [value, graph.constant('int64', shape)],
        [value.type, shape.map((n) => (n < 0 ? 'tokens' : n))],
      );
    const real = graph.node('Cast', [flat(mask, [-1])], ['bool', ['tokens']], { attributes: { to: 9 } });
    const rows = graph.node('Compress', [flat(hidden, [-1, size]), real], ['float32', ['real', size]], {
      attributes: { axis: 0 },
    });
    const scores = graph.node('MatMul', [rows, stored('router.weight')], ['float32', ['real', numExperts]]);
    const gates = graph.node('Softmax', [scores], ['float32', ['real', numExperts]]);
    const best = graph.nodes(
      'TopK',
      [gates, graph.constant('int64', [2])],
      [
        ['float32', ['real', 2]],
        ['int64', ['real', 2]],
      ],
    );
    graph.output('router.gates', best[0]!);
    graph.output('router.experts', best[1]!);
    const output: OptionalOutput = {
      kind: 'experts',
      experts: 'router.experts',
      gates: 'router.gates',
      layer: 'router',
      k: 2,
      numExperts,
      level: 'token',
    };
    const manifest: Manifest = {
      ...common,
      modality: 'text',
      name: 'means of embeddings',
      layer: 'dynamic',
      classNames: classes && [...classes],
      text: { maxLength, pair: true, padTokenId: 0 },
      weights: { file: weights.file, bytes: weights.bytes, tensors: weights.entries },
      outputs: [output],
    };
    const tokenizer = JSON.stringify({ 'tokenizer.json': JSON.stringify(wordPieceFile) });
    const compact = encodeSafetensors(new Map(Object.entries(drawn)), { ...metadata, tokenizer });
    return { manifest, compact, graph: encodeOnnx(graph.build('network'), {}) };
  });
}
