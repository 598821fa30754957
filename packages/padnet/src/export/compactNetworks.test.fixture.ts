/** Networks of every kind, as if they had been trained, for the tests of what they are shipped as. */
import { manualSeed, nn, noGrad, rand, randn, scope } from '@padnet/torch';
import type { TextTokenizer } from '../data/index.js';
import { NoisyTopK } from '../dynamic/index.js';
import { DecomposedConv2d } from '../layers/index.js';
import { createModel, createTextShape, modelSchema, SequenceClassifier, textModelSchema } from '../models/index.js';
import { batch, tinyConfig } from '../models/text/tiny.test.fixture.js';
import { Mask, numEntries, sourceOf } from '../partial/index.js';
import type { PictureModel, TextModel } from '../runs/index.js';

/** What is masked as a whole; nothing: masks are still to be searched. */
export type Granularity = 'entry' | 'filter' | 'nothing';

/** With norms, scale factors and masks that are not what a fresh network has, and numbers that do not explode. */
export function lived<N extends nn.Module>(network: N, ratio = 0.3, granularity: Granularity = 'entry'): N {
  for (const [path, module] of [...network.namedModules()]) {
    scope(() => {
      noGrad(() => {
        if (module instanceof nn.BatchNorm) {
          module.weight!.copy_(rand(module.weight!.shape).mul(0.5).add(0.5));
          module.bias!.copy_(randn(module.bias!.shape).mul(0.2));
          module.runningMean!.copy_(randn(module.bias!.shape).mul(0.1));
          module.runningVar!.copy_(rand(module.bias!.shape).add(0.5));
        }
        if (module instanceof NoisyTopK)
          for (const weight of [module.wGate, module.wNoise]) weight.copy_(randn(weight.shape));
        // A fresh branch of DCD makes numbers grow from layer to layer, until rounding is all that is left of them.
        if (module instanceof DecomposedConv2d) for (const part of [module.q, module.p]) part.mul_(0.2);
        const source = sourceOf(module);
        if (source?.kind !== 'searched') return;
        source.phi?.fill_(0.3);
        source.staticWeight.copy_(source.bank.mean([0]));
        if (granularity === 'nothing') return;
        const [filters = 0, ...others] = source.shape;
        const scored = granularity === 'entry' ? source.shape : [filters, ...others.map(() => 1)];
        // Exactly so many of each layer, at random places.
        const ranks = rand([numEntries(scored)])
          .argsort()
          .argsort();
        const chosen = ranks.lt(Math.round(ratio * ranks.numel)).reshape(scored);
        const isDynamic = chosen.expand(source.shape).contiguous();
        network.replaceModule(path, source.toPartial(Mask.fromTensor(isDynamic)));
      });
    });
  }
  return network.eval();
}

/**
 * With norms that know what comes to them, as training leaves them: else numbers grow from layer to layer, until those
 * of a hundred layers are not finite.
 */
function settled(network: nn.Layer, shape: readonly number[]): nn.Layer {
  network.train();
  for (let pass = 0; pass < 20; pass++) {
    scope(() => {
      noGrad(() => network.forward(randn([4, ...shape])));
    });
  }
  return network.eval();
}

type PictureOptions = Partial<PictureModel['description']['model']> &
  Pick<PictureModel['description']['model'], 'name'>;

/** For 10 classes of colour pictures of 16 × 15. */
export function pictureModel(options: PictureOptions, granularity?: Granularity): PictureModel {
  manualSeed(3);
  const model = modelSchema.parse({ stem: 'small', width: options.name === 'mobilenetV2' ? 0.25 : 8, ...options });
  const [inChannels, numClasses] = [3, 10];
  return {
    modality: 'image',
    network: settled(lived(createModel(model, { inChannels, numClasses }), 0.3, granularity), [inChannels, 16, 15]),
    description: {
      modality: 'image',
      model,
      inChannels,
      numClasses,
      size: [16, 15],
      classNames: Array.from({ length: numClasses }, (_, index) => `class ${index}`),
      normalise: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] },
      cropFraction: 0.875,
    },
  };
}

type TextOptions = Partial<TextModel['description']['model']>;

/** @param config other keys of its `config.json` */
export function textModel(
  family: Parameters<typeof tinyConfig>[0],
  options: TextOptions,
  config: Readonly<Record<string, unknown>> = {},
): TextModel {
  manualSeed(3);
  const model = textModelSchema.parse({ pretrained: '/home/me/encoder', numExperts: 4, ...options });
  return {
    modality: 'text',
    network: lived(createTextShape(model, tinyConfig(family, config)), 0.5),
    // Tests give it tokens.
    tokenizer: null as unknown as TextTokenizer,
    description: { modality: 'text', model, maxLength: 16 },
  };
}

/** Logits of a network of the same kind, for the same inputs every time. */
export function logitsOf({ modality }: PictureModel | TextModel, network: nn.Module): number[] {
  manualSeed(4);
  const texts = [
    [2, 7, 9, 3],
    [2, 5, 6, 7, 8, 11, 3],
    [2, 3],
  ];
  return scope(() =>
    noGrad(() => {
      if (modality === 'image') return (network as nn.Layer).forward(randn([3, 3, 16, 15])).toArray();
      if (!(network instanceof SequenceClassifier)) throw new TypeError('expected a network for texts');
      return network.forward(batch(texts, network.config.padTokenId)).logits.toArray();
    }),
  );
}
