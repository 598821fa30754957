import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { native } from './native.js';

/** Runs `body` as a module of a process of its own, whose end we want to see. */
function runAlone(body: string): string {
  const url = JSON.stringify(fileURLToPath(new URL('./native.js', import.meta.url)));
  const source = `import { native } from ${url};\n${body}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8', stdio: 'pipe' });
}

describe('the native functions', () => {
  it('throw Errors for whatever they are given, and never end the process', () => {
    const output = runAlone(`
      const garbage = [
        undefined, null, true, 0, -1, 0.5, NaN, Infinity, 2 ** 53, 2 ** 24, 1e308, 5n, -(2n ** 63n), 2n ** 64n, '',
        'aten::add', 'float32', 'x'.repeat(100000), Symbol('s'), () => 1, () => { throw new Error('thrown') }, {}, [],
        [0], [[]], [NaN], ['a'], [null], new Array(5), { length: 3 }, new Float32Array(2), new BigInt64Array(1),
        new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Proxy([1], {}),
        new Proxy({}, { get() { throw new Error('trap') } }),
        new Date(), /x/, Promise.resolve(1), [Symbol('s')],
        Object.defineProperty([1], 0, { get() { throw new Error('get') } }),
      ];
      const live = native.fromBytes(new Float32Array([1, 2]), [2], 'float32');
      const leaf = native.fromBytes(new Float32Array([1, 2]), [2], 'float32');
      native.setRequiresGrad(leaf, true);
      const add = native.bind('aten::add', 'Tensor');
      garbage.push(live, leaf, [live], [live, leaf], add.index, native.createGenerator(1));
      let state = 1;
      const random = (n) => (state = (state * 48271) % 2147483647) % n;
      let threw = 0, returned = 0;
      const names = Object.keys(native).filter((name) => name !== 'schemas' && name !== 'setNumThreads');
      for (let i = 0; i < 60000; i++) {
        const name = names[random(names.length)];
        const values = Array.from({ length: random(7) }, () => garbage[random(garbage.length)]);
        try {
          native[name](...values);
          returned++;
        } catch (error) {
          if (!(error instanceof Error)) throw new Error('not an Error from ' + name);
          threw++;
        }
      }
      native.setMemoryLimit(null);
      native.setGradEnabled(true);
      for (const value of garbage) try { native.setNumThreads(value) } catch {}
      const pair = native.fromBytes(new Float32Array([1, 2]), [2], 'float32');
      const sum = native.item(native.call(native.bind('aten::sum', '').index, [pair]));
      console.log(JSON.stringify({ threw, returned, sum }));
    `);
    const { threw, returned, sum } = JSON.parse(output.trim().split('\n').at(-1)!) as Record<string, number>;
    expect(threw).toBeGreaterThan(20_000);
    expect(returned).toBeGreaterThan(1000);
    expect(sum).toBe(3);
  });

  it('refuse an index that no operator is bound to', () => {
    expect(() => native.call(10 ** 6, [])).toThrow('no operator is bound to this index');
    expect(() => native.call(-1, [])).toThrow('no operator');
  });
});

describe('the addon', () => {
  it('is loaded when it is first used, from a path of its own where one is given', () => {
    const url = JSON.stringify(new URL('./index.js', import.meta.url).href);
    const runElsewhere = (body: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '-e', `const { zeros } = await import(${url}); ${body}`], {
        env: { ...process.env, PADNET_TORCH_ADDON: '/nowhere/torch.node' },
        encoding: 'utf8',
        stdio: 'pipe',
      });
    expect(runElsewhere('console.log(typeof zeros)')).toBe('function\n');
    expect(() => runElsewhere('zeros([1])')).toThrow(
      'no libtorch was found that fits (PADNET_TORCH_ADDON=/nowhere/torch.node: there is no libtorch.json beside it',
    );
  });
});
