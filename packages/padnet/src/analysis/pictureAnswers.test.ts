import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noGrad, scope } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IMAGENET_STATISTICS, loadPictureFolder, type PictureFolder, STANDARD_CROP_FRACTION } from '../data/index.js';
import { fuseBatchNorms } from '../layers/index.js';
import { modelSchema } from '../models/index.js';
import type { PictureModel } from '../runs/index.js';
import { evaluate } from '../training/index.js';
import { collect, smallNetwork, writePictureFolder, type Kind } from '../runs/pictures.test.fixture.js';
import { answerPictures, type PictureAnswer, type PictureAnswerOptions } from './pictureAnswers.js';

let folder: string;
let test: PictureFolder;
let files: readonly string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-answers-'));
  await writePictureFolder(folder);
  ({ test } = await loadPictureFolder(folder, { size: 16 }));
  files = ['dark/0.png', 'dark/1.png', 'light/0.png', 'light/1.png'].map((name) => join(folder, 'val', name));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const normalise = { mean: [...IMAGENET_STATISTICS.mean], std: [...IMAGENET_STATISTICS.std] };

function modelOf(layer: Kind): PictureModel {
  const network = smallNetwork(layer, {}, { inChannels: 3, numClasses: 2 });
  network.eval();
  return {
    modality: 'image',
    network,
    description: {
      modality: 'image',
      model: modelSchema.parse({ name: 'resnet10', layer, stem: 'small', width: 4, numKernels: 2 }),
      inChannels: 3,
      numClasses: 2,
      size: [16, 16],
      classNames: ['dark', 'light'],
      normalise,
      cropFraction: STANDARD_CROP_FRACTION,
    },
  };
}

async function answer(
  model: PictureModel,
  pictures: readonly string[],
  options: PictureAnswerOptions = {},
): Promise<PictureAnswer[]> {
  const answers = await collect(
    answerPictures(
      model,
      pictures.map((file) => ({ file })),
      options,
    ),
  );
  return answers as PictureAnswer[];
}

describe.each<Kind>(['static', 'dynamic', 'partial'])('answers of a %s network', (layer) => {
  it('are those of evaluation, in the order of the pictures, whatever the batch', async () => {
    const model = modelOf(layer);
    const { predictions } = await evaluate(model.network, test, { normalise });
    const answers = await answer(model, files);
    expect(answers.map(({ file }) => file)).toEqual(files);
    const label = (name: string): number => ['dark', 'light'].indexOf(name);
    expect(answers.map(({ classes }) => label(classes[0]!.label))).toEqual([...predictions]);
    for (const { classes } of answers) {
      expect(classes.map((each) => each.label).sort()).toEqual(['dark', 'light']);
      expect(classes[0]!.probability).toBeGreaterThanOrEqual(classes[1]!.probability);
      expect(classes[0]!.probability + classes[1]!.probability).toBeCloseTo(1, 6);
    }
    const singly = await answer(model, files, { batchSize: 1 });
    for (const [index, { classes }] of singly.entries())
      expect(classes[0]!.probability).toBeCloseTo(answers[index]!.classes[0]!.probability, 4);
  });

  it('have the coefficients of each layer that mixes kernels, also with batch norms fused', async () => {
    const model = modelOf(layer);
    const answers = await answer(model, files);
    fuseBatchNorms(model.network);
    const fused = await answer(model, files);
    for (const [index, { coefficients }] of answers.entries()) {
      expect(coefficients).toHaveLength(layer === 'static' ? 0 : 11);
      expect(fused[index]!.coefficients.map(({ path }) => path)).toEqual(coefficients.map(({ path }) => path));
      for (const [place, each] of coefficients.entries()) {
        expect(each.coefficients).toHaveLength(2);
        expect(each.coefficients[0]! + each.coefficients[1]!).toBeCloseTo(1, 6);
        expect(fused[index]!.coefficients[place]!.coefficients[0]).toBeCloseTo(each.coefficients[0]!, 4);
      }
    }
  });
});

it('answers what cannot be used by the reason, and bytes by a name', async () => {
  const model = modelOf('static');
  const bytes = readFileSync(files[0]!);
  const pictures = [
    { file: join(folder, 'none.jpg') },
    { file: 'standard input', bytes },
    { file: 'letter', bytes: Buffer.from('Dear network,') },
    { file: files[0]! },
  ];
  const answers = await collect(answerPictures(model, pictures, { batchSize: 2 }));
  expect(answers[0]).toEqual({ file: pictures[0]!.file, reason: 'there is no such file' });
  expect(answers[2]).toMatchObject({ file: 'letter', reason: expect.stringContaining('not a picture') as string });
  expect(answers[1]).toMatchObject({ file: 'standard input', classes: (answers[3] as PictureAnswer).classes });
  expect(await collect(answerPictures(model, []))).toEqual([]);
});

it('leaves the mode of the network as it was', async () => {
  const model = modelOf('static');
  model.network.train();
  await answer(model, files);
  expect(model.network.training).toBe(true);
});

it('does not rank what is not finite', async () => {
  const model = modelOf('static');
  scope(() => {
    noGrad(() => model.network.stateDict().get('fc.weight')!.fill_(NaN));
  });
  const answers = await collect(answerPictures(model, [{ file: files[0]! }]));
  expect(answers).toEqual([{ file: files[0], reason: 'what the network makes of it is not finite' }]);
});
