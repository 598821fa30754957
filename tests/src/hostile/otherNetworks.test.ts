/**
 * Networks that are not what they seem are refused by name, or taken as PyTorch takes them; NaN never becomes a result.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, manualSeed, type Tensor } from '@padnet/torch';
import { createModel, modelSchema } from 'padnet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { torchFile } from '../docs/fixtures.js';
import { padnet, tinyRecipe, writePictures, type Finished } from '../padnetProcess.js';
import { writeTinyEncoder } from '../tinyGlue.js';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-others-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'pad.yaml'), tinyRecipe('pad'));
});
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

const run = (...parameters: string[]): Promise<Finished> => padnet(parameters, { cwd });

it.each(['bert', 'roberta', 'electra'])('a decoder is not read as an encoder: %s', async (family) => {
  const folder = join(cwd, family);
  writeTinyEncoder(folder);
  const file = join(folder, 'config.json');
  const config = { ...(JSON.parse(readFileSync(file, 'utf8')) as object), model_type: family, is_decoder: true };
  writeFileSync(file, JSON.stringify(config));
  for (const parameters of [
    ['inspect', family],
    ['convert', family, '--layer', 'dynamic', '--out', 'mixture'],
  ]) {
    const { code, stderr } = await run(...parameters);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^padnet: .*config\.json: is_decoder.*\n$/);
  }
  expect(existsSync(join(cwd, 'mixture'))).toBe(false);
});

it('a lazily negated tensor keeps its sign, under a prefix too', async () => {
  const options = modelSchema.parse({ name: 'resnet10', width: 8 });
  manualSeed(1);
  const network = createModel(options, { inChannels: 3, numClasses: 4 });
  const state = new Map([...network.stateDict()].map(([name, value]) => [`module.${name}`, value]));
  writeFileSync(join(cwd, 'negated.pth'), torchFile(state, { isNegated: true }));
  const { code, stderr } = await run(
    ...['convert', 'negated.pth', '--model', 'resnet10', '--width', '8', '--layer', 'static', '--out', 'negated'],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { tensors } = loadSafetensors(join(cwd, 'negated/model.safetensors'));
  const values = (tensor: Tensor): number[] => Array.from(tensor.toTypedArray() as Float32Array);
  const weight = network.stateDict().get('layer1.0.conv1.weight')!;
  expect(values(tensors.get('layer1.0.conv1.weight')!)).toEqual(values(weight).map((value) => -value));
});

it('a partition that cannot succeed is refused before anything is trained', async () => {
  const { code, stderr } = await run('train', 'pad.yaml', '--set', 'model.numKernels=1', '--out', 'one');
  expect(code).toBe(2); // the recipe is wrong
  expect(stderr).toMatch(/model\.numKernels: expected at least 2/);
  expect(existsSync(join(cwd, 'one'))).toBe(false);
});

it.each(['dyconv', 'dcd'])(
  'a %s run whose numbers are none ends as failed, and writes no null for them',
  async (convolution) => {
    const sets = [`model.convolution=${convolution}`, 'training.learningRate=1e6'].flatMap((each) => ['--set', each]);
    const { code, stderr } = await run('train', 'pad.yaml', ...sets, '--out', convolution);
    expect(code).toBe(1);
    expect(stderr).toMatch(/is not finite/);
    expect(readFileSync(join(cwd, convolution, 'metrics.jsonl'), 'utf8')).not.toMatch(
      /"(\w*[lL]oss|testScore|\w*[rR]atio)":null/,
    );
  },
);
