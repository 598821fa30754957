/** The process of `trainInProcess`. */
import { setNumThreads } from '@padnet/torch';
import { workFor } from '../runs/folderLock.js';
import { trainingError, type TrainingMessage, type TrainingOrder } from './trainInProcess.js';
import { trainRecipe } from './trainRecipe.js';

const controller = new AbortController();
const abort = (): void => {
  controller.abort();
};
// Ctrl-C reaches every process of a terminal: what is to happen, the parent says.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
process.once('disconnect', abort);

function send(message: TrainingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) {
      process.send!(message, undefined, undefined, () => {
        resolve();
      });
    } else resolve();
  });
}

async function serve({ recipe, options, aborted, threads, work }: TrainingOrder): Promise<void> {
  workFor(work);
  if (aborted) abort();
  try {
    setNumThreads(threads); // before anything is made: it throws where there is no libtorch
    for await (const event of trainRecipe(recipe, { ...options, signal: controller.signal }))
      await send({ type: 'event', event });
    await send({ type: 'end' });
  } catch (error) {
    await send(trainingError(error));
  } finally {
    if (process.connected) process.disconnect();
  }
}

process.on('message', (message: TrainingOrder | 'abort') => {
  if (message === 'abort') abort();
  else void serve(message);
});
