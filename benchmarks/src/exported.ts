/**
 * The cost of one picture by exported networks, in onnxruntime of Node and in the WebAssembly that pages have, beside
 * libtorch in this process: all in turns.
 */
import { expandWeights, readSafetensors } from '@padnet/runtime';
import { encodeSafetensors, noGrad, randn, scope, type nn } from '@padnet/torch';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';
import { fraction, listOf } from '../../packages/padnet/dist/cli/options.js';
import { compactTensors } from '../../packages/padnet/dist/export/compactTensors.js';
import { encodeOnnx } from '../../packages/padnet/dist/export/onnxFile.js';
import { pictureGraph } from '../../packages/padnet/dist/export/pictureGraph.js';
import { fuseBatchNorms } from '../../packages/padnet/dist/layers/index.js';
import { count, measurement, option, type Values } from './command.js';
import { inTurns, mapValues, measure, sample, type Sample } from './measure.js';
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
    const subjects: Record<string, () => Sample | Promise<Sample>> = {};
    for (const layer of chosen) {
      const network = createNetwork(shape, layer, ratio).eval();
      const files = exported(network, inputShape(shape).slice(1));
      for (const place of places) {
        if (place === 'libtorch') {
          fuseBatchNorms(network);
          subjects[`${place} ${layer}`] = () => sample(() => noGrad(() => network.forward(pixels)));
        } else {
          const run = await session(place, files, feed, threads);
          subjects[`${place} ${layer}`] = async () => {
            const end = measure();
            await run();
            return end();
          };
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

/** A pass of the picture. */
async function session(
  place: Exclude<Runtime, 'libtorch'>,
  { graph, weights }: Files,
  { numbers, shape }: { readonly numbers: Float32Array; readonly shape: readonly number[] },
  threads: number,
): Promise<() => Promise<unknown>> {
  const onnxruntime = place === 'node' ? await import('onnxruntime-node') : await import('onnxruntime-web');
  if (place === 'wasm') onnxruntime.env.wasm.numThreads = 1; // as in a page that is not isolated
  const opened: InferenceSession = await onnxruntime.InferenceSession.create(graph, {
    externalData: [{ path: 'weights.bin', data: weights }],
    logSeverityLevel: 3,
    ...(place === 'node' && { intraOpNumThreads: threads }),
  });
  const pixels: OnnxTensor = new onnxruntime.Tensor('float32', numbers, shape);
  return () => opened.run({ pixels }, ['logits']);
}
