import { Worker } from 'node:worker_threads';

import { describe, expect, it } from 'vitest';

import { BatchWorker } from './batchWorker.js';

/** A thread that does as it is told for each request. */
function workerThat(onRequest: string): BatchWorker {
  const program = `
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ id, epoch, sampleIndices }) => { ${onRequest} });`;
  return new BatchWorker(new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`)));
}

describe('BatchWorker', () => {
  it('matches replies with requests, in whatever order they come', async () => {
    const worker = workerThat(`
      if (epoch === 0) globalThis.first = id;
      else for (const id of [1, 0]) parentPort.postMessage({ id, result: { images: new Float32Array([id + 0.5]) } });`);
    const replies = [worker.request(0, new Uint32Array(1)), worker.request(1, new Uint32Array(1))];
    expect([...(await worker.wait(replies[0]!)).images]).toEqual([0.5]);
    expect([...(await worker.wait(replies[1]!)).images]).toEqual([1.5]);
    await worker.close(new Error('done'));
  });

  it('rejects with the error that the thread reports', async () => {
    const worker = workerThat(`parentPort.postMessage({ id, error: new RangeError('no example 12') });`);
    await expect(worker.wait(worker.request(0, new Uint32Array(1)))).rejects.toThrow(new RangeError('no example 12'));
    expect(worker.hasFailed).toBe(false);
    await worker.close(new Error('done'));
  });

  it.each([
    [`throw new Error('boom in the thread');`, 'boom in the thread'],
    [`process.exit(3);`, 'a worker of the data loader ended with exit code 3'],
  ])('rejects all requests of a thread that dies: %s', async (program, message) => {
    const worker = workerThat(program);
    const replies = [worker.request(0, new Uint32Array(1)), worker.request(1, new Uint32Array(1))];
    await expect(worker.wait(replies[1]!)).rejects.toThrow(message);
    await expect(replies[0]).rejects.toThrow(message);
    expect(worker.hasFailed).toBe(true);
    await expect(worker.request(2, new Uint32Array(1))).rejects.toThrow(message);
  });

  it('rejects what is under way when it is closed', async () => {
    const worker = workerThat('');
    const reply = worker.request(0, new Uint32Array(1));
    await worker.close(new Error('closed by the test'));
    await expect(reply).rejects.toThrow('closed by the test');
  });
});
