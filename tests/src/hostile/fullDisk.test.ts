/** A disk that is full when a command writes its result: one line, and what was there before is as it was. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { checksums, tinyRecipe, writePictures } from '../padnetProcess.js';
import { commandResults } from './commandResults.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-full-'));
  writePictures(join(cwd, 'pictures'));
  for (const layer of ['static', 'dyconv'] as const)
    writeFileSync(join(cwd, `${layer}.yaml`), tinyRecipe(layer, { epochs: 1 }));
  const results = commandResults(cwd, [
    ['train', 'static.yaml', '--out', 'static'],
    ['train', 'dyconv.yaml', '--out', 'dyconv'],
    ['convert', 'static', '--layer', 'dynamic', '--out', 'network'],
    ['compare', 'static', '--out', 'report.html'],
  ]);
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
}, 120_000);

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const reason = 'could not be (written|saved): files may not be that large here \\(see `ulimit -f`\\)';

it('a report, masks, a network: as if nothing had been asked for', () => {
  const masks = ['partition', 'dyconv', '--ratio', '0.5', '--rounds', '1', '--batches', '2'];
  const commands: [string, string[]][] = [
    ['report\\.html', ['compare', 'dyconv', '--out', 'report.html']],
    ['masks\\.safetensors', [...masks, '--out', 'masks.safetensors']],
    ['dyconv/partition-0\\.5\\.safetensors', masks],
    ['new/.*/model\\.safetensors', ['convert', 'static', '--layer', 'partial', '--out', 'new']],
    ['network/.*/model\\.safetensors', ['convert', 'static', '--layer', 'partial', '--out', 'network', '--force']],
  ];
  const before = checksums(cwd);
  const results = commandResults(
    cwd,
    commands.map(([, parameters]) => parameters),
    16,
  );
  for (const [index, { command, code, stderr }] of results.entries()) {
    expect({ command, code }).toEqual({ command, code: 1 });
    expect(stderr).toMatch(new RegExp(`^padnet: ${commands[index]![0]}:? ${reason}(; .*)?\n$`));
  }
  expect(checksums(cwd)).toEqual(before);
  expect(existsSync(join(cwd, 'new'))).toBe(false);
}, 120_000);

it('a run: the checkpoint is not half there, and with room again the run goes on', () => {
  const [failed] = commandResults(cwd, [['train', 'static.yaml', '--out', 'run']], 64);
  expect(failed!.code).toBe(1);
  expect(failed!.stderr).toMatch(new RegExp(`^padnet: run/checkpoints/step-.*\\.safetensors ${reason}; .*\n$`));
  expect(readdirSync(join(cwd, 'run/checkpoints'))).toEqual(['start.json']);
  expect(commandResults(cwd, [['train', '--resume', 'run']])).toMatchObject([{ code: 0, stderr: '' }]);
  const weights = (run: string) => checksums(join(cwd, run, 'model')).get(join(cwd, run, 'model/model.safetensors'));
  expect(weights('run')).toBe(weights('static'));
}, 120_000);
