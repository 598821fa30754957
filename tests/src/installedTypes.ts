/** Compiled in a fresh project against the installed packages, never run: `install.test.ts`. */
import { createModel, modelSchema, PictureTask, Trainer } from 'padnet';
import { loadFashionMnist, type ImageDataset } from 'padnet/data';
import { readCompactFile } from 'padnet/export';
import { answerPictures } from 'padnet/report';
import { load } from '@padnet/runtime';
import { scope, type Tensor, zeros } from '@padnet/torch';
import { resolveLibtorch } from '@padnet/torch/libtorch';

export async function train(): Promise<number> {
  const splits = loadFashionMnist();
  const model = modelSchema.parse({ name: 'resnet10', layer: 'partial', stem: 'small', width: 16 });
  const network = createModel(model, { inChannels: 1, numClasses: 10 });
  const task = new PictureTask({ network, splits });
  const trainer = new Trainer({ task, training: { epochs: 3 }, partition: { ratio: 0.3 } });
  let score = 0;
  for await (const event of trainer.run()) if (event.type === 'finished') score = event.testScore;
  // @ts-expect-error a recipe has no such key
  new Trainer({ task, training: { epoch: 3 } });
  return score;
}

export function sum(): number {
  const total: number = scope(() => zeros([2, 3]).sum().item());
  return total;
}

export function wrong(): Tensor {
  // @ts-expect-error a shape is of numbers
  return zeros(['2']);
}

export const others = { load, readCompactFile, answerPictures, resolveLibtorch };
export type Examples = ImageDataset;
