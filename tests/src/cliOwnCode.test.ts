/** The command line with a router and a score of one's own, those of `examples/`. */
import { cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, padnet, writePictures } from './padnetProcess.js';
import { root } from './projectFiles.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

/** The example's recipe, on pictures that train in a second. */
const recipe = (): string =>
  readFileSync(join(root, 'examples/recipes/ownCode.yaml'), 'utf8')
    .replace('../src/', '../code/')
    .replace('../src/', '../code/')
    .replace('width: 16', 'width: 8')
    .replace(/data:\n( {2}.*\n)+/, 'data:\n  name: idx\n  path: pictures\n  batchSize: 16\n  numWorkers: 0\n');

const refusal = (file: string): string =>
  `padnet: ${file} is code, which runs with all your rights; --allow-code permits it (in a program, allowCode: true)\n`;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-own-'));
  writePictures(join(cwd, 'pictures'));
  mkdirSync(join(cwd, 'recipes'));
  mkdirSync(join(cwd, 'code'));
  for (const name of ['ownRouter.ts', 'ownSaliency.ts'])
    cpSync(join(root, 'examples/src', name), join(cwd, 'code', name));
  writeFileSync(join(cwd, 'recipes/own.yaml'), recipe());
  const { code, stderr } = await run('train', 'recipes/own.yaml', '--allow-code');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

describe('code of one’s own', () => {
  it('runs nowhere unless it is allowed', async () => {
    const router = refusal(`model.router: ${join(cwd, 'code/ownRouter.ts')}`);
    const saliency = refusal(`partition.saliency: ${join(cwd, 'code/ownSaliency.ts')}`);
    const before = checksums(join(cwd, 'runs/own'));
    for (const [parameters, expected] of [
      [['train', 'recipes/own.yaml', '--out', 'runs/none'], saliency],
      [['train', '--resume', 'runs/own'], ''],
      [['eval', 'runs/own'], router],
      [['inspect', 'recipes/own.yaml'], router],
      [['compare', 'runs/own'], router],
      [['convert', 'runs/own', '--layer', 'static', '--out', 'networks/static'], router],
    ] as const) {
      const { stderr } = await run(...parameters);
      expect(stderr, parameters.join(' ')).toBe(expected);
    }
    expect(checksums(join(cwd, 'runs/own'))).toEqual(before);
  });

  it('is evaluated, shown, compared and folded where it is', async () => {
    const { stdout: shown } = await run('inspect', 'runs/own', '--allow-code');
    expect(shown).toContain('DynamicConv2d partial SigmoidRouter');
    const { stdout: evaluated } = await run('eval', 'runs/own', '--allow-code', '--json');
    expect((JSON.parse(evaluated) as { images: number }).images).toBe(40);
    const { stdout: compared, stderr } = await run('compare', 'runs/own', '--allow-code');
    expect(stderr).toBe('');
    expect(compared).toContain('PAD-Net (ownRouter.ts)');
    const page = readFileSync(join(cwd, 'report.html'), 'utf8').replaceAll(/\s+/g, ' ');
    expect(page).toContain('by entry, ownSaliency.ts');
    expect(page).toContain('One threshold on the score, that of ownSaliency.ts, serves all layers');
    expect(page).toContain('What coefficients mean in ownRouter.ts, its code says.');
    const { code } = await run('convert', 'runs/own', '--layer', 'static', '--out', 'networks/static', '--allow-code');
    expect(code).toBe(0);
    // What is static needs it no more.
    expect((await run('inspect', 'networks/static')).code).toBe(0);
  });

  it('goes on from any folder, to the same bits', async () => {
    const stopped = await padnet(['train', 'recipes/own.yaml', '--out', 'runs/stopped', '--allow-code', '--json'], {
      cwd,
      onLine: (line, child) => {
        if (line.includes('"step":3,')) child.kill('SIGINT');
      },
    });
    expect(stopped.code).toBe(130);
    const elsewhere = mkdtempSync(join(tmpdir(), 'padnet-elsewhere-'));
    const path = join(cwd, 'runs/stopped');
    const refused = await runCommand(['train', '--resume', path], { cwd: elsewhere });
    expect(refused.stderr).toContain('--allow-code permits it');
    const resumed = await runCommand(['train', '--resume', path, '--allow-code'], { cwd: elsewhere });
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: '' });
    const weights = (name: string): Buffer => readFileSync(join(cwd, 'runs', name, 'model/model.safetensors'));
    expect(weights('stopped').equals(weights('own'))).toBe(true);
    rmSync(elsewhere, { recursive: true });
  });

  it('is a factor of an ablation, and a score of padnet partition', async () => {
    writeFileSync(
      join(cwd, 'recipes/ablation.yaml'),
      'recipe: own.yaml\nsweeps:\n  - partition.saliency: [../code/ownSaliency.ts, random]\n',
    );
    const refused = await run('ablate', 'recipes/ablation.yaml');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      refusal(`partition.saliency: ${join(cwd, 'code/ownSaliency.ts')}`),
    ]);
    const { code, stdout, stderr } = await run('ablate', 'recipes/ablation.yaml', '--allow-code', '--json');
    expect({ code, errors: stderr.split('\n').filter((line) => line.startsWith('padnet')) }).toEqual({
      code: 0,
      errors: [],
    });
    const { sweeps } = JSON.parse(stdout) as { sweeps: { rows: { values: string[]; scores: unknown[] }[] }[] };
    expect(sweeps[0]!.rows.map(({ values, scores }) => [values[0], scores.length])).toEqual([
      ['../code/ownSaliency.ts', 1],
      ['random', 1],
    ]);
    const dyconv = ['--set', 'model.layer=dynamic', '--set', 'partition=null', '--out', 'runs/dynamic', '--allow-code'];
    expect((await run('train', 'recipes/own.yaml', ...dyconv)).code).toBe(0);
    const score = ['partition', 'runs/dynamic', '--ratio', '0.4', '--score', './code/ownSaliency.ts'];
    const found = await run(...score, '--allow-code', '--json');
    expect((JSON.parse(found.stdout) as { settings: { saliency: string } }).settings.saliency).toBe(
      'gradientTimesWeight',
    );
  });

  it('may build on what padnet exports', async () => {
    writeFileSync(
      join(cwd, 'code/wide.ts'),
      "import { KernelAttention, type RouterFactory } from 'padnet';\n" +
        'const make: RouterFactory = ({ inChannels }, numKernels) =>\n' +
        '  new KernelAttention({ inChannels, numKernels, hiddenChannels: 7 });\n' +
        'export default make;\n',
    );
    const { code, stdout } = await run(...['inspect', 'runs/own/recipe.yaml', '--allow-code', '--json']);
    expect(code).toBe(0);
    const wide = await run(
      ...['train', 'recipes/own.yaml', '--set', 'model.router=./code/wide.ts', '--dry-run', '--allow-code', '--json'],
    );
    const parameters = (text: string): number => (JSON.parse(text) as { parameters: number }).parameters;
    expect([wide.code, wide.stderr]).toEqual([0, '']);
    // 11 layers: 7 hidden channels and a softmax over K instead of one linear layer.
    expect(parameters(wide.stdout)).toBeGreaterThan(parameters(stdout));
  });

  it('is refused where it has changed', async () => {
    const file = join(cwd, 'code/ownRouter.ts');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, `${text}// changed\n`);
    for (const parameters of [
      ['eval', 'runs/own', '--allow-code'],
      ['compare', 'runs/own', '--allow-code'],
    ]) {
      const { code, stderr } = await run(...parameters);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^padnet: model\.router: .*ownRouter\.ts, or a file that it imports, is not what the run was started with/,
      );
    }
    const again = await run('train', 'recipes/own.yaml', '--resume', '--allow-code');
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(
      /runs\/own was started with another recipe \(there `router: .*#sha256=\w+`, here `router: .*#sha256=\w+`\)/,
    );
    writeFileSync(file, text);
    expect((await run('eval', 'runs/own', '--allow-code')).code).toBe(0);
  });
});
