/** `benchmarks/`: the table that is made of what `padnet bench` prints. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, 'benchmarks/dist/ratios.js');

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-benchmarks-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the table of ratios', () => {
  it('has every ratio, and says which are at most what they are to be', async () => {
    const layers = [
      { layer: 'static', seconds: 0.6, ratioToStatic: 1, ratioToPython: 0.834 },
      { layer: 'pad-filter', seconds: 0.9, ratioToStatic: 1.5, ratioToPython: 1.22 },
      { layer: 'python-static', seconds: 0.7, ratioToStatic: 1.2, ratioToPython: 1 },
    ];
    const parts = {
      step: { ratioToStep: 1 },
      batch: { ratioToStep: 1.3 },
      targetRatio: 1.3,
      environment: { cores: 2 },
    };
    const mixtures = [
      { layer: 'dense', ratioToDense: 1 },
      { layer: 'moe', ratioToDense: 2.31 },
    ];
    const files = {
      'step-resnet18': { results: layers, staticToPython: 0.834 },
      imp: parts,
      'moe-output': { results: mixtures },
    };
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(content));
    const { stdout } = await promisify(execFile)(process.execPath, [program, folder]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/ {2,}/).join(' | '))).toEqual([
      'measured | layer | × of | ratio | at most',
      expect.stringMatching(/^─/),
      'imp | batch | step | 1.30 | 1.30 | met',
      'moe-output | moe | dense | 2.31 | 2.30 | missed',
      'step-resnet18 | static | python | 0.834 | 1.00 | met',
      'step-resnet18 | pad-filter | static | 1.50',
      'step-resnet18 | pad-filter | python | 1.22 | 1.20 | missed',
      'step-resnet18 | python-static | static | 1.20',
    ]);
  });

  it('knows what run.sh measures, and nothing else', () => {
    const script = readFileSync(join(root, 'benchmarks/run.sh'), 'utf8');
    const measured = Array.from(script.matchAll(/^measure (\S+) /gm), ([, name]) => name);
    const source = readFileSync(join(root, 'benchmarks/src/ratios.ts'), 'utf8');
    const barred = Array.from(source.matchAll(/^ {2}'(\S+) \S+ [A-Z]\w+': [\d.]+,$/gm), ([, name]) => name);
    expect(barred).toHaveLength(13);
    expect(measured).toEqual(expect.arrayContaining(barred));
  });
});
