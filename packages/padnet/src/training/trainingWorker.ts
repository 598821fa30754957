/** The thread of `trainInWorker`. */
import { parentPort, workerData } from 'node:worker_threads';
import { workFor } from '../runs/folderLock.js';
import { trainingError, type TrainingWorkerData, type TrainingWorkerMessage } from './trainInWorker.js';
import { trainRecipe } from './trainRecipe.js';

if (!parentPort) throw new Error('trainingWorker.js is started by trainInWorker');
const port = parentPort;
const send = (message: TrainingWorkerMessage): void => {
  port.postMessage(message);
};
const controller = new AbortController();
port.on('message', () => {
  controller.abort();
});
const { recipe, options, aborted, command } = workerData as TrainingWorkerData;
workFor(command);
if (aborted) controller.abort();
try {
  for await (const event of trainRecipe(recipe, { ...options, signal: controller.signal }))
    send({ type: 'event', event });
  send({ type: 'end' });
} catch (error) {
  send(trainingError(error));
} finally {
  port.close();
}
