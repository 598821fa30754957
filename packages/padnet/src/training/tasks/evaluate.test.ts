import { liveTensors, nn, ops, type Tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import { pictures } from '../../runs/pictures.test.fixture.js';
import { evaluate } from './evaluate.js';

/** The mean of each quarter as logit: right for pictures whose brightest quarter is their class. */
class Quarters extends nn.Module implements nn.Layer {
  modes: boolean[] = [];

  forward(input: Tensor): Tensor {
    this.modes.push(this.training);
    return ops.adaptiveAvgPool2d(input, [2, 2]).flatten({ startDim: 1 });
  }
}

const dataset = pictures(10);

/** The output of Quarters, in plain loops. */
function expected(scale: number, shift: number): { loss: number; predictions: number[] } {
  let loss = 0;
  const predictions: number[] = [];
  for (let example = 0; example < 10; example++) {
    const logits = [0, 0, 0, 0];
    for (let pixel = 0; pixel < 64; pixel++) {
      const quarter = 2 * Math.floor(pixel / 32) + Math.floor((pixel % 8) / 4);
      logits[quarter]! += (dataset.images[64 * example + pixel]! / 255 - shift) / scale / 16;
    }
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    loss += (total - logits[dataset.labels[example]!]!) / 10;
    predictions.push(logits.indexOf(Math.max(...logits)));
  }
  return { loss, predictions };
}

it.each([1, 3, 10, 256])('gives accuracy, mean loss and predictions in batches of %i', async (batchSize) => {
  const network = new Quarters();
  const { score, metrics, loss, predictions } = await evaluate(network, dataset, { batchSize });
  const wanted = expected(1, 0);
  expect([score, metrics.accuracy]).toEqual([1, 1]);
  expect([...predictions]).toEqual(wanted.predictions);
  expect(loss).toBeCloseTo(wanted.loss, 5);
});

it('counts what is wrong, and normalises', async () => {
  const labels = Uint8Array.from(dataset.labels);
  labels[3] = (labels[3]! + 1) % 4;
  labels[7] = (labels[7]! + 2) % 4;
  const wrong = { ...dataset, labels: new Uint8Array(new SharedArrayBuffer(10)) };
  wrong.labels.set(labels);
  const options = { normalise: { mean: [0.5], std: [0.25] } };
  const result = await evaluate(new Quarters(), wrong, options);
  expect(result.score).toBe(0.8);
  expect((await evaluate(new Quarters(), dataset, options)).loss).toBeCloseTo(expected(0.25, 0.5).loss, 5);
});

it('uses evaluation mode, and leaves the mode, gradients and tensors as they were', async () => {
  const network = new Quarters();
  const live = liveTensors();
  await evaluate(network, dataset, { batchSize: 4 });
  expect(network.modes).toEqual([false, false, false]);
  expect(network.training).toBe(true);
  expect(liveTensors()).toBe(live);
  network.eval();
  await evaluate(network, dataset);
  expect(network.training).toBe(false);
});

it('is stopped by a signal', async () => {
  const network = new Quarters();
  await expect(evaluate(network, dataset, { signal: AbortSignal.abort() })).rejects.toThrow('aborted');
  expect(network.modes).toEqual([]);
  expect(network.training).toBe(true);
});
