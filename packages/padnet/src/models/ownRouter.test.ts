import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultGenerator, manualSeed, nn, zeros } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attend } from '../dynamic/index.js';
import { loadRouter } from './ownRouter.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-router-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const geometry: nn.ConvGeometry = new nn.Conv2d({ inChannels: 3, outChannels: 5, kernelSize: 3, padding: 1 }).geometry;

/** A module with a router whose parts can be replaced. */
function source(parts: Partial<Record<'fields' | 'forward' | 'countMacs' | 'exported', string>> = {}): string {
  const {
    fields = 'readonly sumsToOne = true;',
    forward = 'forward(input: Tensor): Tensor { return ops.softmax(this.fc.forward(input.mean([2, 3])), 1); }',
    countMacs = 'countMacs([batch = 1]: readonly number[]): number { return batch * this.fc.weight.numel; }',
    exported = 'export default ({ inChannels }: nn.ConvGeometry, k: number) => new Own(inChannels, k);',
  } = parts;
  return `
    import { nn, ops, Tensor, zeros, randn } from '@padnet/torch';
    class Own extends nn.Module {
      ${fields}
      readonly fc: nn.Linear;
      constructor(inChannels: number, readonly numKernels: number) {
        super();
        this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: numKernels });
      }
      ${forward}
      ${countMacs}
    }
    ${exported}
  `;
}

const file = join(folder, 'own.ts');
function make(text: string): ReturnType<ReturnType<typeof loadRouter>['router']> {
  writeFileSync(file, text);
  return loadRouter(file, { allowCode: true }).router(geometry, 4);
}

describe('loadRouter', () => {
  beforeAll(() => {
    manualSeed(1);
  });

  it('makes routers of the file', () => {
    const router = make(source());
    expect(router).toBeInstanceOf(nn.Module);
    expect([router.numKernels, router.training]).toEqual([4, true]);
    expect(loadRouter(file, { allowCode: true }).reference).toMatch(/own\.ts#sha256=[0-9a-f]{16}$/);
  });

  it('tries them without drawing from the generator that weights come from', () => {
    writeFileSync(
      file,
      source({ forward: 'forward(input: Tensor): Tensor { return ops.softmax(randn([input.shape[0]!, 4]), 1); }' }),
    );
    const { router } = loadRouter(file, { allowCode: true });
    manualSeed(5);
    const before = defaultGenerator.getState().toArray();
    // Its own linear layer draws as it would without.
    router(geometry, 4);
    const after = defaultGenerator.getState().toArray();
    manualSeed(5);
    expect(defaultGenerator.getState().toArray()).toEqual(before);
    new nn.Linear({ inFeatures: 3, outFeatures: 4 });
    expect(defaultGenerator.getState().toArray()).toEqual(after);
  });

  const exported =
    'expected `export default (geometry, numKernels) => …`, a function that makes the router of a layer; ' +
    'the default export is';
  it.each([
    [{ exported: 'export const router = 3;' }, `${exported} an object`],
    [{ exported: 'export default 3;' }, `${exported} a number`],
    [{ exported: 'export default Own;' }, `${exported} a class: export a function that makes one of it`],
    [{ exported: "export default () => { throw new Error('no'); };" }, 'making the router failed: no'],
    [
      { exported: 'export default () => ({ numKernels: 4 });' },
      'expected an nn.Module of @padnet/torch for each layer, got an object',
    ],
    [
      { exported: 'export default (g: nn.ConvGeometry, k: number) => new Own(g.inChannels, k + 1);' },
      'Own.numKernels is 5, expected K = 4',
    ],
    [{ fields: '' }, 'Own.sumsToOne is missing, expected true or false: whether the coefficients of an input sum to 1'],
    [{ forward: '' }, 'Own.forward is missing, expected a method'],
    [{ countMacs: '' }, 'Own.countMacs is missing, expected a method'],
    [
      { countMacs: 'countMacs() { return NaN; }' },
      'Own.countMacs gives NaN for an input of [2, 3, 8, 8], expected a number of multiplications',
    ],
    [
      { forward: 'forward() { return zeros([2, 3]); }' },
      'Own.forward gives coefficients of [2, 3] for an input of [2, 3, 8, 8], expected [2, 4]: [batch, …]',
    ],
    [
      { forward: 'forward() { return 1; }' },
      'Own.forward gives a number as coefficients for an input of [2, 3, 8, 8], expected a tensor [2, 4]: [batch, …]',
    ],
    [
      { forward: 'forward(x: Tensor) { return zeros([x.shape[0]!, 4]).div(0); }' },
      'Own.forward gives coefficients that are not all finite',
    ],
    [
      { forward: 'forward() { return zeros([2, 4]).add(0.5); }' },
      'sumsToOne is true, but the coefficients of an input sum to 2.00; say false',
    ],
    [
      { forward: "forward() { throw new Error('too wide'); }" },
      'Own.forward fails for an input of [2, 3, 8, 8]: too wide',
    ],
    [
      { fields: 'readonly sumsToOne = true; readonly hasSpatialAttention = true;' },
      'hasSpatialAttention is true, though Own.forward gives none',
    ],
    [
      {
        fields:
          'readonly sumsToOne = true; attend(x: Tensor) { return { coefficients: this.forward(x), spatial: null, ' +
          'channel: zeros([2, 4]), filter: null }; }',
      },
      'Own.attend gives channel of [2, 4] for an input of [2, 3, 8, 8], expected [2, 3]: [batch, …]',
    ],
    [{ forward: 'forward() { throw null; }' }, 'Own.forward fails for an input of [2, 3, 8, 8]: it threw null'],
    [{ forward: "forward() { throw 'x'; }" }, "Own.forward fails for an input of [2, 3, 8, 8]: it threw 'x'"],
    [
      { forward: "forward() { throw new Error('one\\n  two'); }" },
      'Own.forward fails for an input of [2, 3, 8, 8]: one; two',
    ],
    [
      { forward: 'async forward() { return Promise.reject(undefined); }' },
      'Own.forward gives a Promise as coefficients for an input of [2, 3, 8, 8], expected a tensor [2, 4]: [batch, …]',
    ],
    [
      { forward: 'forward() { return zeros([2, 4]).add(0.25); }' },
      'Own.forward gives coefficients of [2, 4] for an input of [3, 3, 8, 8], expected [3, 4]: [batch, …]',
    ],
    [
      { forward: 'forward() { const made = zeros([2, 4]); made[Symbol.dispose](); return made; }' },
      'Own.forward fails for an input of [2, 3, 8, 8]: this tensor was freed',
    ],
    [
      { fields: 'readonly sumsToOne = true; attend() { return 3; }' },
      'Own.attend gives a number for an input of [2, 3, 8, 8], expected { coefficients, spatial, channel, filter }',
    ],
    [{ exported: 'export default () => { throw undefined; };' }, 'making the router failed: it threw undefined'],
    [
      { exported: 'export default () => Object.create(null);' },
      'expected an nn.Module of @padnet/torch for each layer, got an object',
    ],
  ])('refuses what keeps no contract: %j', (parts, expected) => {
    expect(() => make(source(parts))).toThrow(`model.router: ${file}: ${expected}`);
  });

  it.each([
    [
      { forward: 'forward(x: Tensor) { return zeros([x.shape[3] === 8 ? x.shape[0]! : 1, 4]).add(0.25); }' },
      'Own.forward gives coefficients of [1, 4] for an input of [5, 3, 9, 9], expected [5, 4]: [batch, …]',
    ],
    [
      {
        forward: "forward(x: Tensor) { if (x.shape[3] === 9) throw 'late'; return zeros([x.shape[0]!, 4]).add(0.25); }",
      },
      "Own.forward fails for an input of [5, 3, 9, 9]: it threw 'late'",
    ],
    [
      { countMacs: "countMacs([b]: number[]) { if (b === 5) throw new Error('mac'); return 1; }" },
      'Own.countMacs fails for an input of [5, 3, 9, 9]: mac',
    ],
    [
      { fields: "readonly sumsToOne = true; neutralise() { throw new Error('never'); }" },
      'Own.neutralise fails: never',
    ],
  ])('names the file where that is so only later: %j', (parts, expected) => {
    const router = make(source(parts));
    const shape = [5, 3, 9, 9];
    expect(() => {
      router.countMacs(shape);
      attend(router, zeros(shape));
      router.neutralise?.();
    }).toThrow(`model.router: ${file}: ${expected}`);
    expect(Object.keys(router)).not.toContain('forward');
  });
});
