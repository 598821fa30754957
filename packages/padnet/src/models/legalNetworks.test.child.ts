/**
 * One training step and one evaluation of every network that can be named, static, dynamic and partial, small and odd
 * in width and size, for `legalNetworks.test.ts`, which runs this file as a process of its own for every instruction
 * set:
 *
 *     node legalNetworks.test.child.js NAMES few|all CALL_FILE
 *
 * NAMES, with commas between, are those of networks for pictures and of families of text encoders. What is about to be
 * computed is in CALL_FILE first. Prints a JSON line with the number of networks; throws where a loss or a gradient is
 * not finite.
 */
import { openSync, writeSync } from 'node:fs';
import { autocast, manualSeed, nn, noGrad, ops, optim, rand, randn, scope, type Tensor } from '@padnet/torch';
import { moePositions } from '../convert/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, searchLayers } from '../partition/index.js';
import {
  createModel,
  dynamicConvolutions,
  modelNames,
  modelSchema,
  type DynamicConvolution,
  type ModelOptions,
} from './createModel.js';
import { layerKinds, type LayerKind } from './layerKind.js';
import { stems, type Stem } from './resnet.js';
import { familyNames, SequenceClassifier, type FamilyName } from './text/index.js';
import { batch as textBatch, tinyConfig } from './text/tiny.test.fixture.js';
import { convertTextModel, textModelSchema } from './textModel.js';

const [names = '', extent = 'all'] = process.argv.slice(2);
const callFile = openSync(process.argv[4] ?? '/dev/null', 'w');
let count = 0;

/** @param forward the logits [batch, classes] of the network in the mode that it is in */
function step(network: nn.Module, forward: () => Tensor, labels: readonly number[]): void {
  const optimizer = new optim.SGD([{ parameters: network.namedParameters() }], { learningRate: 0.01, momentum: 0 });
  network.train();
  const loss = ops.crossEntropyLoss(forward(), ops.remainder(ops.arange(labels.length, { dtype: 'int64' }), 3));
  loss.backward();
  for (const [path, parameter] of network.namedParameters()) {
    if (parameter.grad !== null) assertFinite(`the gradient of ${path}`, parameter.grad);
  }
  assertFinite('the loss', loss);
  optimizer.step();
  network.eval();
  noGrad(forward);
}

/** At once: the fence wants its memory back. */
function free(network: nn.Module): void {
  for (const tensor of network.stateDict().values()) tensor[Symbol.dispose]();
}

function assertFinite(what: string, tensor: Tensor): void {
  if (ops.isfinite(tensor).all().item() !== 1) throw new Error(`${what} is not finite`);
}

/** Masks at random; every second layer keeps whole filters. */
function partition(network: nn.Module): void {
  const masks = new Map(
    Array.from(searchLayers(network), ([path, { shape }], index) => {
      const scores = index % 2 === 0 ? rand(shape) : rand([shape[0]!, ...shape.slice(1).map(() => 1)]).expand(shape);
      return [path, Mask.fromTensor(scores.lt(0.3))];
    }),
  );
  applyPartition(network, { masks });
}

interface PictureCase {
  readonly layer: LayerKind;
  readonly convolution?: DynamicConvolution;
  readonly width: number;
  readonly stem: Stem;
  /** [batch, channels, height, width] */
  readonly shape: readonly [number, number, number, number];
  readonly isNarrow?: boolean;
}

/** The cases of one network: of every width, or of one where only a few cases are asked for. */
function* pictureCases(network: ModelOptions['name']): Generator<PictureCase> {
  const widths = network === 'mobilenetV2' ? [0.1, 0.25, 0.35] : [3, 8, 13];
  for (const [index, width] of widths.entries()) {
    if (extent !== 'all' && (modelNames.indexOf(network) - index) % 3 !== 0) continue;
    for (const stem of extent === 'all' ? stems : [stems[index % 2]!]) {
      for (const layer of layerKinds) {
        const size = [
          [33, 31],
          [32, 32],
          [64, 48],
        ][index]!;
        yield { layer, width, stem, shape: [4, index === 0 ? 1 : 3, size[0]!, size[1]!] };
      }
    }
  }
  for (const convolution of extent === 'all' ? dynamicConvolutions : []) {
    for (const layer of ['dynamic', 'partial'] as const) {
      yield { layer, convolution, width: widths[1]!, stem: 'small', shape: [2, 3, 19, 17] };
    }
  }
  // oneDNN asks the environment for its instruction set, libtorch the processor: bfloat16 can be tried on the best one
  // alone.
  if (process.env.ONEDNN_MAX_CPU_ISA === undefined)
    yield { layer: 'static', width: widths[1]!, stem: 'imagenet', shape: [4, 3, 40, 40], isNarrow: true };
}

function checkPictures(network: ModelOptions['name']): void {
  for (const given of pictureCases(network)) {
    const { layer, convolution, width, stem, shape, isNarrow = false } = given;
    writeSync(callFile, `${network} ${JSON.stringify(given)}\n`);
    scope(() => {
      manualSeed(1);
      const options = modelSchema.parse({ name: network, layer, width, stem, ...(convolution && { convolution }) });
      const model = createModel(options, { inChannels: shape[1], numClasses: 3 });
      const images = randn(shape);
      const logits = (): Tensor => model.forward(images);
      const forward = isNarrow ? (): Tensor => autocast('bfloat16', logits).to('float32') : logits;
      const labels = Array.from({ length: shape[0] }, (_, index) => index);
      step(model, forward, labels);
      if (layer === 'partial') {
        partition(model);
        step(model, forward, labels);
      }
      free(model);
    });
    count++;
  }
}

function checkTexts(family: FamilyName): void {
  for (const layer of layerKinds) {
    for (const position of extent === 'all' ? moePositions : (['both'] as const)) {
      writeSync(callFile, `${family} ${layer} ${position}\n`);
      scope(() => {
        manualSeed(1);
        const config = tinyConfig(family);
        const options = textModelSchema.parse({ pretrained: 'none', layer, position, numExperts: 3, noise: 0.1 });
        const model = convertTextModel(new SequenceClassifier(config), options);
        const inputs = textBatch(
          [
            [5, 6, 7, 8, 9, 10],
            [11, 12],
            [13, 14, 15],
          ],
          config.padTokenId,
        );
        const forward = (): Tensor => model.forward(inputs).logits;
        step(model, forward, [0, 1, 2]);
        if (layer === 'partial') {
          partition(model);
          step(model, forward, [0, 1, 2]);
        }
        free(model);
      });
      count++;
    }
  }
}

for (const name of names.split(',')) {
  const picture = modelNames.find((each) => each === name);
  const family = familyNames.find((each) => each === name);
  if (picture) checkPictures(picture);
  else if (family) checkTexts(family);
  else throw new Error(`expected some of ${[...modelNames, ...familyNames].join(', ')}, got ${name}`);
}
writeSync(1, `${JSON.stringify({ count })}\n`);
