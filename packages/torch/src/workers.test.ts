import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { liveTensors, ops, randn, scope, tensor } from './index.js';

const index = JSON.stringify(new URL('./index.js', import.meta.url).href);

function start(body: string): Worker {
  return new Worker(`import(${index}).then(async (torch) => {\n${body}\n})`, {
    eval: true,
  });
}

function message(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
}

const post = "require('node:worker_threads').parentPort.postMessage";

describe('worker threads', () => {
  it('compute side by side with the main thread, each with tensors of its own', async () => {
    const body = `
      const { ops, ones, scope, liveTensors, backward, tensor, customFunction } = torch;
      let sum = 0;
      for (let i = 0; i < 200; i++) sum += scope(() => ops.matmul(ones([40, 40]), ones([40, 40])).sum().item());
      const double = customFunction({ name: 'double', forward: (c, x) => x.mul(2), backward: ([g]) => [g.mul(2)] });
      const x = tensor([1], { requiresGrad: true });
      backward(double(x)[0].sum());
      ${post}([sum, x.grad.item(), liveTensors() < 10]);`;
    const before = liveTensors();
    const workers = [start(body), start(body)];
    const answers = Promise.all(workers.map(message));
    for (let i = 0; i < 200; i++) scope(() => void ops.matmul(randn([40, 40]), randn([40, 40])));
    expect(await answers).toEqual([
      [40 ** 3 * 200, 2, true],
      [40 ** 3 * 200, 2, true],
    ]);
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(liveTensors()).toBe(before);
  });

  it('can be ended while their tensors, graphs and hooks live and a call is running', async () => {
    for (let i = 0; i < 3; i++) {
      const worker = start(`
        const { ops, randn, registerHook, tensor, customFunction, Generator } = torch;
        globalThis.kept = [randn([100, 100]), new Generator(1)];
        const x = tensor([1], { requiresGrad: true });
        registerHook(x, (g) => g);
        const f = customFunction({ name: 'f', forward: (c, y) => (c.save(y), y.mul(2)), backward: ([g]) => [g] });
        globalThis.graph = f(x)[0].sum();
        ${post}('ready');
        for (;;) ops.matmul(globalThis.kept[0], globalThis.kept[0]);`);
      expect(await message(worker)).toBe('ready');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await worker.terminate();
    }
    expect(tensor([1]).add(1).item()).toBe(2);
  });

  it('do not see tensors of another thread', async () => {
    const x = tensor([1]);
    const worker = start(`
      try { ${post}(String(new torch.Tensor(${x.handle + 1000}).shape)) } catch (error) { ${post}(error.message) }`);
    expect(await message(worker)).toContain('this tensor was freed');
    await worker.terminate();
  });
});
