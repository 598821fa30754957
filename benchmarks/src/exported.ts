/**
 * The cost of one picture by exported networks, in onnxruntime of Node and in the WebAssembly that pages have, beside
 * libtorch in this process: all in turns.
 */
import { expandWeights, readSafetensors } from '@padnet/runtime';
import { encodeSafetensors, nn, noGrad, randn, scope } from '@padnet/torch';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';
import { randomMask, randomSource } from '../../packages/padnet/dist/analysis/calibration.js';
import { fraction, listOf } from '../../packages/padnet/dist/cli/options.js';
import { NoisyTopK } from '../../packages/padnet/dist/dynamic/index.js';
import { compactTensors } from '../../packages/padnet/dist/export/compactTensors.js';
import { expertMixture } from '../../packages/padnet/dist/export/expertGraph.js';
import { ExternalWeights, GraphBuilder, type Value } from '../../packages/padnet/dist/export/graphBuilder.js';
import { linear, pointwise } from '../../packages/padnet/dist/export/layerGraph.js';
import { encodeOnnx } from '../../packages/padnet/dist/export/onnxFile.js';
import { pictureGraph } from '../../packages/padnet/dist/export/pictureGraph.js';
import { TokenRows } from '../../packages/padnet/dist/export/tokenRows.js';
import { fuseBatchNorms, MoELinear } from '../../packages/padnet/dist/layers/index.js';
import { count, measurement, option, type Values } from './command.js';
import { inTurns, mapValues, measure, type Sample } from './measure.js';
import { createNetwork, inputShape, networkOptions, networkShape } from './networks.js';

const layers = ['static', 'dyconv', 'pad', 'pad-filter'] as const;
const runtimes = ['node', 'wasm', 'libtorch'] as const;
type Runtime = (typeof runtimes)[number];

const options = {
  ...networkOptions(1),
  layer: option('--layer <names>', layers.join(', '), listOf(layers), [...layers]),
  runtime: option('--runtime <names>', runtimes.join(', '), listOf(runtimes), [...runtimes]),
  ratio: option('--ratio <number>', 'dynamic ratio of partial layers', fraction, 0.3),
  repeats: count('--repeats', 'rounds', 15),
};

export const addExported = measurement(
  'exported',
  'Measure one picture by exported networks, in onnxruntime of Node and of WebAssembly and in libtorch, in turns.',
  options,
  async (values: Values<typeof options> & { readonly threads: number }) => {
    const { layer: chosen, runtime: places, ratio, repeats, threads } = values;
    const shape = networkShape(values);
    const pixels = randn(inputShape(shape));
    const feed = { numbers: pixels.toTypedArray() as Float32Array, shape: pixels.shape };
    const subjects: Record<string, () => Promise<Sample[]>> = {};
    for (const layer of chosen) {
      const network = createNetwork(shape, layer, ratio).eval();
      const files = exported(network, inputShape(shape).slice(1));
      for (const place of places) {
        if (place === 'libtorch') {
          fuseBatchNorms(network);
          subjects[`${place} ${layer}`] = turn(() => {
            scope(() => noGrad(() => network.forward(pixels)));
          });
        } else {
          const run = await session(place, files, { pixels: feed }, threads);
          subjects[`${place} ${layer}`] = turn(run);
        }
      }
    }
    const measured = await inTurns(subjects, repeats, 3);
    const results = Object.values(
      mapValues(measured, (each, name) => {
        const [place = '', layer = ''] = name.split(' ');
        const ratioToStatic = each.ratioTo(measured[`${place} static`]);
        const reference = measured[`${place} static`]?.cost.processorSeconds;
        const processor = reference === undefined ? null : each.cost.processorSeconds / reference;
        return { runtime: place, layer, ...each.cost, ratioToStatic, ratioToStaticProcessor: processor };
      }),
    );
    return { settings: { ...shape, ratio, repeats }, found: { results }, rows: results };
  },
);

const blockKinds = ['dense', 'moe', 'pad', 'pad-neuron'] as const;
type BlockKind = (typeof blockKinds)[number];

export const addExportedMoE = measurement(
  'exported-moe',
  'Measure a feed-forward block by exported graphs in onnxruntime of Node, dense and as mixtures of experts: both ' +
    'linear layers, whole (moe), by entry (pad) and by inner neuron (pad-neuron), in turns.',
  {
    tokens: count('--tokens', 'tokens of the text', 128),
    hidden: count('--hidden', 'hidden size', 384),
    inner: count('--inner', 'inner size', 1536),
    experts: count('--experts', 'experts', 8),
    k: count('--k', 'experts computed for each token', 2),
    ratio: option('--ratio <number>', 'dynamic ratio of pad and pad-neuron', fraction, 0.5),
    repeats: count('--repeats', 'rounds', 41),
  },
  async ({ tokens, hidden, inner, experts: numExperts, k, ratio, repeats, threads }) => {
    const x = { numbers: randn([tokens, hidden]).toTypedArray() as Float32Array, shape: [tokens, hidden] };
    const expertsOf = (kind: BlockKind, [out = 0, inFeatures = 0]: readonly number[]): MoELinear => {
      const router = new NoisyTopK({ inFeatures, numExperts, k });
      noGrad(() => router.wGate.copy_(randn([inFeatures, numExperts]).div(Math.sqrt(inFeatures))));
      const neurons = out === inner ? [out, 1] : [1, inFeatures];
      const mask =
        kind === 'moe' ? null : randomMask([out, inFeatures], ratio, kind === 'pad' ? [out, inFeatures] : neurons);
      const source = randomSource([out, inFeatures], numExperts, mask);
      return new MoELinear({ router, source: source.kind === 'searched' ? source.toPartial(source.mask) : source });
    };
    const subjects: Record<string, () => Promise<Sample[]>> = {};
    for (const kind of blockKinds) {
      const layers = [
        [inner, hidden],
        [hidden, inner],
      ].map((shape) =>
        kind === 'dense' ? new nn.Linear({ inFeatures: shape[1]!, outFeatures: shape[0]! }) : expertsOf(kind, shape),
      );
      const run = await session('node', blockFiles(layers, hidden), { x }, threads);
      subjects[kind] = turn(run);
    }
    const measured = await inTurns(subjects, repeats, 5);
    const results = Object.values(
      mapValues(measured, (each, layer) => ({ layer, ...each.cost, ratioToDense: each.ratioTo(measured.dense) })),
    );
    return { settings: { tokens, hidden, inner, numExperts, k, ratio, repeats }, found: { results }, rows: results };
  },
);

/** relu between two layers: `x` [tokens, hidden] → the same; all tokens are real. */
function blockFiles(layers: readonly nn.Module[], hidden: number): Files {
  return scope(() => {
    const block = new nn.ModuleList(layers).eval();
    const tensors = compactTensors(block);
    const weights = new ExternalWeights('weights.bin');
    const graph = new GraphBuilder(weights);
    const x = graph.input('x', 'float32', ['tokens', hidden]);
    const ones = graph.node('ReduceSum', [x, graph.constant('int64', [1])], ['float32', ['tokens', 1]]);
    const isReal = graph.node('Equal', [ones, ones], ['bool', ['tokens', 1]]);
    const emission = { graph, tensors, coefficients: [] };
    const tokens = new TokenRows(graph, isReal);
    const apply = (layer: nn.Module, path: string, input: Value): Value =>
      layer instanceof MoELinear
        ? expertMixture({ emission, path, layer, input, tokens }).output
        : linear(emission, path, input);
    const [first, second] = layers as [nn.Module, nn.Module];
    graph.output('logits', apply(second, '1', pointwise(graph, 'Relu', apply(first, '0', x))));
    const stored = readSafetensors(encodeSafetensors(tensors), 'model.safetensors');
    const layout = { bytes: weights.bytes, tensors: weights.entries };
    return {
      graph: encodeOnnx(graph.build('block'), {}),
      weights: expandWeights(stored, layout, 'model.safetensors'),
    };
  });
}

/** Passes that count in a turn. */
const passes = 3;

/** A turn: one pass that does not count, for threads of the subject before still wait busily for work, then others. */
function turn(run: () => unknown): () => Promise<Sample[]> {
  return async () => {
    await run();
    const samples: Sample[] = [];
    for (let pass = 0; pass < passes; pass++) {
      const end = measure();
      await run();
      samples.push(end());
    }
    return samples;
  };
}

interface Files {
  readonly graph: Uint8Array;
  readonly weights: Uint8Array;
}

function exported(network: nn.Layer, shape: readonly number[]): Files {
  return scope(() => {
    const tensors = compactTensors(network);
    const { graph, weights } = pictureGraph(network, tensors, shape, 'weights.bin');
    const stored = readSafetensors(encodeSafetensors(tensors), 'model.safetensors');
    const layout = { bytes: weights.bytes, tensors: weights.entries };
    return { graph: encodeOnnx(graph, {}), weights: expandWeights(stored, layout, 'model.safetensors') };
  });
}

/** A pass of the graph with these inputs. */
async function session(
  place: Exclude<Runtime, 'libtorch'>,
  { graph, weights }: Files,
  inputs: Readonly<Record<string, { readonly numbers: Float32Array; readonly shape: readonly number[] }>>,
  threads: number,
): Promise<() => Promise<unknown>> {
  const onnxruntime = place === 'node' ? await import('onnxruntime-node') : await import('onnxruntime-web');
  if (place === 'wasm') onnxruntime.env.wasm.numThreads = 1; // as in a page that is not isolated
  const opened: InferenceSession = await onnxruntime.InferenceSession.create(graph, {
    externalData: [{ path: 'weights.bin', data: weights }],
    logSeverityLevel: 3,
    ...(place === 'node' && { intraOpNumThreads: threads }),
  });
  const feeds = mapValues(
    inputs,
    ({ numbers, shape }): OnnxTensor => new onnxruntime.Tensor('float32', numbers, shape),
  );
  return () => opened.run(feeds, ['logits']);
}
