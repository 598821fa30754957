import {
  CIFAR_SHAPE,
  cifarFormats,
  FASHION_MNIST_CLASSES,
  type ImageDataset,
  type ImageTransform,
} from '../data/index.js';
import { createModel, type ModelOptions } from '../models/index.js';
import type { PictureDataOptions, PictureRecipe } from '../recipe/index.js';
import type { PictureModel } from '../runs/index.js';
import { loadPictures } from '../training/index.js';
import { routerCoefficients } from './coefficients.js';
import { pretrainedName } from './pretrainedName.js';
import { routerStates, type RouterState } from './routerStates.js';
import { picturePass } from './samplePass.js';
import type { View } from './view.js';

export const pictureNames: Readonly<Record<ModelOptions['name'], string>> = {
  resnet10: 'ResNet-10',
  resnet18: 'ResNet-18',
  resnet34: 'ResNet-34',
  resnet50: 'ResNet-50',
  resnet101: 'ResNet-101',
  mobilenetV2: 'MobileNetV2',
};

export const pictureView: View<PictureRecipe, PictureModel> = {
  facts: (model) => {
    const name = pictureNames[model.name];
    const width = model.width ? `, width ${model.width}` : '';
    const origin = model.pretrained === undefined ? '' : `, from ${pretrainedName(model.pretrained)}`;
    return { name, text: `${name}${width}, ${model.stem} stem${origin}` };
  },
  ofModel: ({ network, description: { inChannels, size } }) => ({
    network,
    pass: picturePass(network, [inChannels, ...size]),
    config: null,
  }),
  ofRecipe: async ({ model, data }, code) => {
    const { shape, numClasses } = await pictureShape(data);
    const network = createModel(model, { inChannels: shape[0], numClasses }, code);
    return { network, pass: picturePass(network, shape), config: null };
  },
  findings: async ({ data }, model, division) => {
    const { test } = await loadPictures(data, division);
    const coefficients = await routerCoefficients(model.network, test, { transform: tested(model) });
    return { testSamples: test.length, coefficients, routers: await statesOn(test, model) };
  },
  routers: async ({ data }, model, division) => statesOn((await loadPictures(data, division)).test, model),
};

const tested = ({ description: { normalise } }: PictureModel): ImageTransform => ({ normalise });

const statesOn = (test: ImageDataset, model: PictureModel): Promise<RouterState[]> =>
  routerStates(model.network, test, { transform: tested(model) });

/** Reads no file where the data set's name says it all. */
async function pictureShape(data: PictureDataOptions): Promise<{
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly numClasses: number;
}> {
  switch (data.name) {
    case 'fashionMnist':
      return { shape: [1, 28, 28], numClasses: FASHION_MNIST_CLASSES.length };
    case 'cifar10':
    case 'cifar100':
      return { shape: CIFAR_SHAPE, numClasses: cifarFormats[data.name].numClasses };
    case 'idx':
    case 'imageFolder': {
      const { channels, height, width, numClasses } = (await loadPictures(data)).train;
      return { shape: [channels, height, width], numClasses };
    }
  }
}
