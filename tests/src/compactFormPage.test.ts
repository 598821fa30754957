/** The example of docs/compact-form.md is what padnet writes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSafetensors, scope, tensor } from '@padnet/torch';
import { expect, it } from 'vitest';
import { partialChannels, quantise } from '../../packages/padnet/dist/export/quantise.js';
import { Mask, PartialSource } from '../../packages/padnet/dist/partial/index.js';
import { root } from './projectFiles.js';

const page = readFileSync(join(root, 'docs/compact-form.md'), 'utf8');
const example = page.slice(page.indexOf('## An example'));

function example2by3(): PartialSource {
  const kernels = [
    [
      [0, 1, 0],
      [-2, 3, 0],
    ],
    [
      [0, 4, 0],
      [5, -6, 0],
    ],
  ];
  const fixed = [
    [7, 0, 8],
    [0, 0, -9],
  ];
  const mask = Mask.fromBits([2, 3], Uint8Array.of(0b011010));
  return new PartialSource({ bank: tensor(kernels), staticWeight: tensor(fixed), mask, scaleMode: 'none' });
}

it('shows the bytes of a partial layer', () => {
  const [, hex = ''] = /```text\n([^`]*)```/.exec(example) ?? [];
  const bytes = scope(() => encodeSafetensors(example2by3().stateDict()));
  const data = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(hex.replace(/\s/g, '')).toBe(Buffer.from(bytes.subarray(data)).toString('hex'));
});

it('shows the same layer in int8', () => {
  const rows = new Map(
    Array.from(example.matchAll(/^\| `conv\.source\.(\S+)` +\| (.*?) +\|$/gm), ([, name, cells]) => [
      name,
      cells!.split(', ').map((cell) => {
        const [over, under = '1'] = cell.replace('−', '-').split('/');
        return Number(over) / Number(under);
      }),
    ]),
  );
  scope(() => {
    const source = example2by3();
    const channels = partialChannels(source.mask);
    const bank = quantise(source.bank.toTypedArray() as Float32Array, channels.bank, 4);
    const fixed = quantise(source.staticWeight.toTypedArray() as Float32Array, channels.staticWeight, 2);
    expect(rows.get('bank')).toEqual([...bank.numbers]);
    expect(rows.get('static_weight')).toEqual([...fixed.numbers]);
    expect(rows.get('bank.scale')!.map(Math.fround)).toEqual([...bank.scales]);
    expect(rows.get('static_weight.scale')!.map(Math.fround)).toEqual([...fixed.scales]);
  });
});
