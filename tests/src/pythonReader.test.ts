/**
 * `examples/python/read_compact.py` reads what padnet writes, where Python has numpy; where it has torch, too, a layer
 * of it is computed there. Python is Debian's, or the one that PADNET_PYTHON names.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nn, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compactDTypes,
  compactFile,
  readCompactFile,
  type CompactDType,
} from '../../packages/padnet/dist/export/compactForm.js';
import { pictureModel, textModel } from '../../packages/padnet/dist/export/compactNetworks.test.fixture.js';
import { trainingForm } from '../../packages/padnet/dist/export/trainingForm.js';
import { DynamicConv, isDynamicLayer } from '../../packages/padnet/dist/layers/index.js';

const python = process.env.PADNET_PYTHON ?? '/usr/bin/python3';
const reader = fileURLToPath(new URL('../../examples/python', import.meta.url));

function has(module: string): boolean {
  return spawnSync(python, ['-c', `import ${module}`]).status === 0;
}

const hasNumpy = has('numpy');
const hasTorch = hasNumpy && has('torch');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-python-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a program that has `read_compact` and `sys.argv`. */
function run(program: string, ...parameters: readonly string[]): string {
  const imports = `import json, sys\nsys.path.insert(0, ${JSON.stringify(reader)})\nimport numpy as np\n`;
  const code = `${imports}from read_compact import read_compact\n${program}`;
  const { status, stdout, stderr } = spawnSync(python, ['-B', '-c', code, ...parameters], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const models = {
  'partial DY-Conv': () => pictureModel({ name: 'resnet10', layer: 'partial' }),
  'dynamic ODConv': () => pictureModel({ name: 'mobilenetV2', layer: 'dynamic', convolution: 'odconv' }),
  'partial DCD': () => pictureModel({ name: 'resnet10', layer: 'partial', convolution: 'dcd' }),
  'static texts': () => textModel('roberta', { layer: 'static' }),
  'partial mixture': () => textModel('bert', { layer: 'partial' }),
} as const;

/** Every tensor that the reader should find: kernels and constants of layers from the layers themselves. */
function expectedTensors(bytes: Uint8Array): Map<string, Tensor> {
  const file = readCompactFile(bytes, 'file');
  const network = trainingForm(file, 'file');
  const expected = new Map(
    [...file.tensors].filter(([name]) => !/\.source\.(bank|static_weight|mask_bits)$/.test(name)),
  );
  for (const [path, layer] of network.namedModules()) {
    if (!isDynamicLayer(layer)) continue;
    // Apart from each other, as where coefficients do not sum to 1.
    const { bank, constant } = noGrad(() => layer.source.effective(false));
    expected.set(`${path}.kernels`, bank!);
    expected.set(`${path}.constant`, constant ?? bank!.newZeros(layer.source.shape));
  }
  return expected;
}

const cases = Object.keys(models).flatMap((name) =>
  compactDTypes.map((dtype) => ({ name: name as keyof typeof models, dtype })),
);

describe.skipIf(!hasNumpy)(`read_compact.py (skipped where ${python} has no numpy)`, () => {
  it.each(cases)('reads $name as $dtype', ({ name, dtype }) => {
    const bytes = compactFile(models[name](), { dtype });
    const file = join(folder, 'network.safetensors');
    writeFileSync(file, bytes);
    const out = join(folder, 'tensors');
    const program = [
      '_, tensors = read_compact(sys.argv[1])',
      'assert all(tensor.dtype == np.float32 for tensor in tensors.values())',
      'names = sorted(tensors)',
      'np.concatenate([tensors[name].ravel() for name in names]).tofile(sys.argv[2])',
      'print(json.dumps([[name, list(tensors[name].shape)] for name in names]))',
    ];
    const found = JSON.parse(run(program.join('\n'), file, out)) as [string, number[]][];
    scope(() => {
      const expected = expectedTensors(bytes);
      expect(found.map(([each]) => each)).toEqual([...expected.keys()].sort());
      const numbers = readFileSync(out);
      let begin = 0;
      for (const [each, shape] of found) {
        const wanted = expected.get(each)!;
        expect(shape, each).toEqual(wanted.shape);
        const end = begin + 4 * wanted.numel;
        const bytesOfTensor = new Uint8Array((wanted.contiguous().toTypedArray() as Float32Array).buffer);
        expect(Buffer.compare(numbers.subarray(begin, end), bytesOfTensor), each).toBe(0);
        begin = end;
      }
      expect(begin).toBe(numbers.length);
    });
  });

  it('refuses another file', () => {
    const file = join(folder, 'other.safetensors');
    const header = Buffer.from('{"__metadata__":{"format":"pt"}} '.padEnd(40));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(file, Buffer.concat([length, header]));
    const program = 'try:\n  read_compact(sys.argv[1])\nexcept ValueError as error:\n  print(error)';
    expect(run(program, file)).toBe(`${file} is not a compact file of version 1\n`);
  });
});

describe.skipIf(!hasTorch)(`torch (skipped where ${python} has none)`, () => {
  it.each<CompactDType>(['float32', 'int8'])('computes a layer of %s as padnet does', (dtype) => {
    const bytes = compactFile(models['partial DY-Conv'](), { dtype });
    const file = join(folder, 'network.safetensors');
    writeFileSync(file, bytes);
    const network = scope(() => trainingForm(readCompactFile(bytes, 'file'), 'file'));
    const [layer, norm] = ['layer2.0.conv1', 'layer2.0.bn1'].map((path) => network.getModule(path));
    if (!(layer instanceof DynamicConv && norm instanceof nn.BatchNorm)) throw new TypeError('expected these layers');
    const [input, coefficients, expected] = scope(() =>
      noGrad(() => {
        const x = randn([1, 8, 9, 7]);
        return [x, layer.router.forward(x), norm.forward(layer.forward(x))].map((each) => each.toArray());
      }),
    );
    const program = [
      'import torch',
      '_, tensors = read_compact(sys.argv[1])',
      'tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()}',
      'x = torch.tensor(json.loads(sys.argv[2])).reshape(1, 8, 9, 7)',
      'a = torch.tensor(json.loads(sys.argv[3]))',
      "at = 'layer2.0.conv1.'",
      "weight = torch.einsum('k,k...->...', a, tensors[at + 'kernels']) + tensors[at + 'constant']",
      "y = torch.relu(torch.nn.functional.conv2d(x, weight, tensors[at + 'bias'], stride=2, padding=1))",
      'print(json.dumps(y.flatten().tolist()))',
    ];
    const got = JSON.parse(
      run(program.join('\n'), file, JSON.stringify(input), JSON.stringify(coefficients)),
    ) as number[];
    const largest = Math.max(...expected!);
    expect(got).toHaveLength(expected!.length);
    expect(Math.max(...got.map((value, index) => Math.abs(value - expected![index]!))) / largest).toBeLessThan(1e-5);
  });
});
