import sharp from 'sharp';
import { liveTensors, manualSeed, nn, noGrad, ops, randn, tensor, zeros, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { imageDataset, type StoredImages } from '../data/index.js';
import { Bank, OdAttention, type Router } from '../dynamic/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { Mask, PartialSource, type ParameterSource } from '../partial/index.js';
import { routerCoefficients } from './coefficients.js';

/** α = (m, 1 − m) of a picture whose pixels have mean m. */
class BrightnessRouter extends nn.Module implements Router {
  readonly numKernels = 2;
  readonly sumsToOne = true;

  forward(input: Tensor): Tensor {
    const mean = input.mean([1, 2, 3]);
    return ops.stack([mean, mean.neg().add(1)], { dim: 1 });
  }

  countMacs(): number {
    return 0;
  }
}

/** Three layers that change nothing; the logits of two classes are the mean pixel and 0.9. */
class Tiny extends nn.Module {
  readonly first = brightnessConv();
  readonly second: DynamicConv2d;
  readonly third = brightnessConv();

  constructor(second = brightnessConv()) {
    super();
    this.second = second;
  }

  forward(input: Tensor): Tensor {
    const x = this.third.forward(this.second.forward(this.first.forward(input))).mean([2, 3]);
    return ops.cat([x, x.mul(0).add(0.9)], { dim: 1 });
  }
}

/** Both kernels are 1, so the output is the input. */
function brightnessConv(source: ParameterSource = new Bank(tensor([1, 1]).reshape([2, 1, 1, 1, 1]))): DynamicConv2d {
  return new DynamicConv2d({
    geometry: nn.conv2dGeometry({ inChannels: 1, outChannels: 1, kernelSize: 1 }),
    router: new BrightnessRouter(),
    source,
  });
}

/** Class 0: pixels of 51 (0.2) and 102 (0.4); class 1: of 255 (1). */
function pictures(): StoredImages {
  const levels = [51, 255, 102, 255];
  const images = Uint8Array.from(levels.flatMap((level) => [level, level, level, level]));
  const shape = { channels: 1, height: 2, width: 2 };
  return imageDataset({
    name: 'toy',
    images,
    labels: Uint8Array.of(0, 1, 0, 1),
    classNames: ['dim', 'bright', 'none'],
    ...shape,
  });
}

describe('routerCoefficients', () => {
  it('gives the mean coefficients of each class that has pictures', async () => {
    const found = (await routerCoefficients(new Tiny(), pictures()))!;
    expect(found.classes).toEqual([0, 1]);
    expect(found.paths).toEqual(['first', 'second', 'third']);
    expect(found.layers.map(({ path }) => path)).toEqual(['first', 'second', 'third']);
    for (const { means } of found.layers) {
      const expected = [
        [0.3, 0.7],
        [1, 0],
      ];
      expected.forEach((row, label) => {
        row.forEach((value, kernel) => {
          expect(means[label]![kernel]).toBeCloseTo(value, 6);
        });
      });
    }
  });

  it('gives the other attentions of ODConv by class, those that a layer has', async () => {
    manualSeed(1);
    const geometry = nn.conv2dGeometry({ inChannels: 1, outChannels: 1, kernelSize: [1, 3], padding: [0, 1] });
    const router = new OdAttention({ geometry, numKernels: 2, temperature: 1 });
    const layer = new DynamicConv2d({ geometry, router, source: new Bank(randn([2, 1, 1, 1, 3])) });
    const found = (await routerCoefficients(new Tiny(layer), pictures()))!;
    const [first, second] = found.layers;
    expect(first!.attentions).toEqual([]);
    // With one input and one output channel it is depth-wise, and so has no attention on filters.
    expect(second!.attentions.map(({ name }) => name)).toEqual(['spatial', 'channel']);
    const wanted = noGrad(() => router.eval().attend(tensor([0.2, 0.4, 1, 1]).reshape([4, 1, 1, 1])));
    const rows = wanted.spatial!.toArray();
    const dim = [0, 1, 2].map((position) => (rows[position]! + rows[3 + position]!) / 2);
    const [ofDim, ofBright] = second!.attentions[0]!.means;
    expect(ofDim!.map((value, position) => value - dim[position]!).every((each) => Math.abs(each) < 1e-6)).toBe(true);
    expect(ofBright![2]).toBeCloseTo(rows[8]!, 6);
    expect(second!.means[1]![0]).toBeCloseTo(wanted.coefficients.toArray()[4]!, 6);
  });

  it('passes over layers without a dynamic entry', async () => {
    const bank = tensor([1, 1]).reshape([2, 1, 1, 1, 1]);
    const staticWeight = tensor([1]).reshape([1, 1, 1, 1]);
    const still = new PartialSource({ bank, staticWeight, mask: Mask.empty([1, 1, 1, 1]) });
    const found = (await routerCoefficients(new Tiny(brightnessConv(still)), pictures()))!;
    expect(found.layers.map(({ path }) => path)).toEqual(['first', 'third']);
    expect(found.paths).toEqual(['first', 'second', 'third']);
  });

  it('takes the first pictures of a class', async () => {
    const { layers } = (await routerCoefficients(new Tiny(), pictures(), { perClass: 1 }))!;
    expect(layers[0]!.means[0]![0]).toBeCloseTo(0.2, 6);
  });

  it('applies the transform of the test', async () => {
    const transform = { normalise: { mean: [0.2], std: [0.8] } };
    const { layers } = (await routerCoefficients(new Tiny(), pictures(), { perClass: 1, transform }))!;
    expect(layers[0]!.means[0]![0]).toBeCloseTo(0, 6);
  });

  it('describes single pictures of different classes', async () => {
    const { inputs } = (await routerCoefficients(new Tiny(), pictures()))!;
    expect(inputs.map(({ label, predicted }) => [label, predicted])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(inputs[0]!.confidence).toBeCloseTo(1 / (1 + Math.exp(0.2 - 0.9)), 6);
    expect(inputs[0]!.coefficients.map(([first]) => first)).toEqual(
      [1, 1, 1].map(() => expect.closeTo(0.2, 6) as number),
    );
    const png = await sharp(Buffer.from(inputs[0]!.png, 'base64')).toColourspace('b-w').raw().toBuffer();
    expect([...png]).toEqual([51, 51, 51, 51]);
  });

  it('keeps the colours of a picture', async () => {
    const grey = new Tiny();
    const forward = grey.forward.bind(grey);
    grey.forward = (input) => forward(input.mean([1], { keepdim: true }));
    const images = Uint8Array.of(...[10, 11], ...[20, 21], ...[30, 31]);
    const shape = { channels: 3, height: 1, width: 2 };
    const data = imageDataset({ name: 'toy', images, labels: Uint8Array.of(0), classNames: ['any'], ...shape });
    const { inputs } = (await routerCoefficients(grey, data))!;
    const pixels = await sharp(Buffer.from(inputs[0]!.png, 'base64')).raw().toBuffer();
    expect([...pixels]).toEqual([10, 20, 30, 11, 21, 31]);
  });

  it('leaves the network in its mode and no tensor behind', async () => {
    const network = new Tiny();
    const data = pictures();
    await routerCoefficients(network, data);
    const before = liveTensors();
    await routerCoefficients(network, data);
    expect(liveTensors()).toBe(before);
    expect(network.first.training).toBe(true);
  });

  it('gives null for a static network', async () => {
    const network = new nn.Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 });
    expect(await routerCoefficients(network, pictures())).toBeNull();
    expect(network.forward(zeros([1, 1, 2, 2])).shape).toEqual([1, 1, 2, 2]);
  });
});
