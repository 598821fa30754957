/** What others' code says of exported graphs, where it is installed: ONNX's own checker and Python's onnxruntime. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualSeed, noGrad, randn, scope, type Tensor } from '@padnet/torch';
import { convertToMoE, convertToPartialMoE, createModel, modelSchema, SequenceClassifier } from 'padnet';
import { describe, expect, it } from 'vitest';
import {
  difference,
  exportedFiles,
  exportedText,
  someTexts,
  textAnswers,
  textFeeds,
  trainedLike,
  type ExportedFiles,
  type MaskKind,
  type NumbersByName,
} from '../../packages/padnet/dist/export/exported.test.fixture.js';
import { pictureGraph } from '../../packages/padnet/dist/export/pictureGraph.js';
import { tinyConfig } from '../../packages/padnet/dist/models/text/tiny.test.fixture.js';
import { root } from './projectFiles.js';

const python = spawnSync('python3', ['-c', 'import numpy, onnx, onnxruntime']).status === 0 ? 'python3' : null;

interface Case {
  readonly name: string;
  readonly files: ExportedFiles;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly expected: NumbersByName;
}

function picture(options: Readonly<Record<string, unknown>>, mask: MaskKind = 'entries'): Case {
  const model = modelSchema.parse({ stem: 'small', width: 16, ...options });
  const network = trainedLike(createModel(model, { inChannels: 3, numClasses: 10 }), mask);
  const shape = [3, 33, 32];
  const files = exportedFiles(network, (tensors) => pictureGraph(network, tensors, shape, 'weights.bin'));
  const pixels = randn([3, ...shape]);
  const logits = noGrad(() => network.forward(pixels));
  const numbers = { shape: logits.shape, data: Array.from(logits.toTypedArray() as Float32Array) };
  return { name: JSON.stringify(options), files, inputs: { pixels }, expected: new Map([['logits', numbers]]) };
}

function text(family: 'bert' | 'roberta' | 'albert' | 'electra', convert: (net: SequenceClassifier) => void): Case {
  const network = new SequenceClassifier(tinyConfig(family, { hidden_size: 16, max_position_embeddings: 140 }));
  convert(network);
  trainedLike(network, family === 'roberta' ? 'rows' : 'entries');
  const files = exportedText(network);
  const inputs = someTexts(3, 17, network.config.padTokenId);
  return { name: family, files, inputs: textFeeds(inputs), expected: textAnswers(network, inputs, files) };
}

function cases(): Case[] {
  return [
    picture({ name: 'resnet10', layer: 'static' }),
    picture({ name: 'resnet10', layer: 'dynamic', convolution: 'dyconv' }),
    picture({ name: 'resnet10', layer: 'partial', convolution: 'dyconv' }, 'rows'),
    picture({ name: 'resnet10', layer: 'partial', convolution: 'condconv' }),
    picture({ name: 'resnet10', layer: 'partial', convolution: 'dcd' }),
    picture({ name: 'mobilenetV2', width: 0.25, layer: 'partial', convolution: 'odconv' }),
    text('bert', (net) => convertToPartialMoE(net, { noise: 0.5 })),
    text('roberta', (net) => convertToPartialMoE(net, { noise: 0.5, routing: 'sentence', k: 3 })),
    text('albert', (net) => convertToMoE(net, { noise: 0.5, k: 1 })),
    text('electra', (net) => convertToMoE(net, { noise: 0.5, routing: 'task', position: 'output' })),
  ];
}

function write(folder: string, { files, inputs }: Case): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'model.onnx'), files.onnx);
  writeFileSync(join(folder, 'weights.bin'), files.weights);
  const numbers = Object.entries(inputs).map(([name, value]) => {
    const data = Array.from(value.toTypedArray() as Iterable<number | bigint>, Number);
    return [name, { type: value.dtype, shape: value.shape, data }];
  });
  writeFileSync(join(folder, 'inputs.json'), JSON.stringify(Object.fromEntries(numbers)));
}

describe.skipIf(python === null)("exported graphs, by ONNX's checker and Python's onnxruntime", () => {
  it('pass, have standard operators alone, and answer as libtorch', () => {
    const folder = mkdtempSync(join(tmpdir(), 'padnet-onnx-'));
    try {
      scope(() => {
        manualSeed(5);
        const all = cases();
        const folders = all.map((_, index) => join(folder, String(index)));
        for (const [index, each] of all.entries()) write(folders[index]!, each);
        const printed = execFileSync(python!, [join(root, 'tests/src/runOnnx.py'), ...folders], {
          encoding: 'utf8',
          maxBuffer: 2 ** 28,
        });
        const results = JSON.parse(printed) as Record<string, { shape: number[]; data: number[] }>[];
        expect(results).toHaveLength(all.length);
        for (const [index, { name, files, expected }] of all.entries()) {
          const result = new Map(Object.entries(results[index]!));
          for (const output of files.outputs) {
            if (output.kind !== 'coefficients') continue;
            expect(result.get(output.name)!.shape).toEqual([3, output.kernels]);
            result.delete(output.name);
          }
          expect([name, difference(result, expected) < 1e-4]).toEqual([name, true]);
        }
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
