import { expect, it } from 'vitest';
import { Queue } from './queue.js';

it('runs one job after the other, whatever becomes of them', async () => {
  const queue = new Queue();
  const order: string[] = [];
  const job =
    (name: string, fails = false) =>
    async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
  const first = queue.run(undefined, job('first', true));
  const second = queue.run(undefined, job('second'));
  await expect(first).rejects.toThrow('first');
  expect(await second).toBe('second');
  expect(order).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
});

it('does not begin a job that was aborted while it waited', async () => {
  const queue = new Queue();
  let end: () => void = () => undefined;
  const long = queue.run(undefined, () => new Promise<void>((resolve) => (end = resolve)));
  const controller = new AbortController();
  let hasBegun = false;
  const waiting = queue.run(controller.signal, () => {
    hasBegun = true;
    return Promise.resolve();
  });
  await Promise.resolve();
  controller.abort(new Error('no longer'));
  // Told at once, while the first still runs.
  await expect(waiting).rejects.toThrow('no longer');
  end();
  await long;
  await queue.run(undefined, () => Promise.resolve());
  expect(hasBegun).toBe(false);
});
