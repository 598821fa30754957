import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { loadPictures } from './pictureData.js';
import { loadTexts } from './textData.js';
import { recipeSchemas } from '../../recipe/recipe.js';

const { image, text } = recipeSchemas;

describe('data without a default folder', () => {
  it.each([
    ['cifar10', 'the folder of its binary version (data_batch_1.bin … test_batch.bin)'],
    ['cifar100', 'the folder of its binary version (train.bin, test.bin)'],
    ['idx', 'the folder with the IDX files'],
    ['imageFolder', 'the folder with train and val'],
  ])('of %s: says what to give as data.path', async (name, needed) => {
    const { data } = image.parse({ model: { name: 'resnet10' }, data: { name }, training: { epochs: 1 } });
    const error = await loadPictures(data).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toBe(`data.path: data.name is ${name}, so ${needed} is needed`);
  });

  it('of GLUE: says what to give as data.path, and where it is', () => {
    const model = { pretrained: 'encoder' };
    const { data } = text.parse({ modality: 'text', model, data: { task: 'rte' }, training: { epochs: 1 } });
    expect(() => loadTexts(data)).toThrow(
      'data.path: data.name is glue, ' +
        'so the folder that holds CoLA/, RTE/, SST-2/ … (https://gluebenchmark.com/tasks) is needed',
    );
  });
});
