/** Runs on texts by the command line: a tiny encoder with random weights on a tiny RTE and STS-B. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodePartition, loadModel, overallDynamicRatio, parseRecipe, trainRecipe } from 'padnet';
import { answerTexts, type Text, type TextAnswer } from 'padnet/report';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, padnet, tinyRecipe, writePictures } from './padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

async function succeed(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...parameters);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function json<T>(...parameters: string[]): Promise<T> {
  return JSON.parse(await succeed(...parameters, '--json')) as T;
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-text-'));
  writeTinyEncoder(join(cwd, 'encoder'));
  writeTinyGlue(join(cwd, 'glue'));
  writeTinyGlueRecipes(cwd);
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'picture.yaml'), tinyRecipe('static', { epochs: 1 }));
  const mixture = ['model.numExperts=3', 'model.k=2'];
  const layer = (kind: string): string[] => [`model.layer=${kind}`, 'partition=null'];
  await train('rte-pad50.yaml', 'static', layer('static'));
  await train('rte-pad50.yaml', 'moe', [...layer('dynamic'), ...mixture]);
  await train('rte-pad50.yaml', 'pad', mixture);
  await train('stsb-pad50.yaml', 'stsb');
  await train('picture.yaml', 'picture');
});

/** In this process, which is quicker than one of its own. */
async function train(file: string, out: string, sets: readonly string[] = []): Promise<void> {
  const text = readFileSync(join(cwd, file), 'utf8');
  const paths = text.includes('pictures')
    ? [`data.path=${join(cwd, 'pictures')}`]
    : [`data.path=${join(cwd, 'glue')}`, `model.pretrained=${join(cwd, 'encoder')}`];
  const recipe = parseRecipe(text, file, [...sets, ...paths]);
  for await (const event of trainRecipe(recipe, { out: join(cwd, out) })) expect(event.type).not.toBe('interrupted');
}

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** The answer of the library, without a process. */
async function answer(network: string, text: Text): Promise<TextAnswer> {
  const model = loadModel(join(cwd, network, 'model.json'));
  if (model.modality !== 'text') throw new Error(`${network} is for pictures`);
  const { value } = await answerTexts(model, [text]).next();
  return value as TextAnswer;
}

/** A line of JSON. */
interface Answer {
  readonly sentence: string;
  readonly second?: string;
  readonly label?: string;
  readonly probability?: number;
  readonly probabilities?: Record<string, number>;
  readonly score?: number;
  readonly tokens?: string[];
  readonly experts?: { path: string; experts: number[][]; gates: number[][] }[];
}

describe('predict', () => {
  it('answers a pair with label, probability and the experts of every token', async () => {
    const given = await json<Answer>('predict', 'moe', 'good film', 'good', '--experts');
    expect(given).toMatchObject({ sentence: 'good film', second: 'good' });
    const { probability, probabilities, label, tokens, experts } = given;
    expect(Object.keys(probabilities!)).toEqual(['entailment', 'not_entailment']);
    expect(probabilities![label!]).toBe(probability);
    expect(probability).toBe(Math.max(...Object.values(probabilities!)));
    expect(Object.values(probabilities!).reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
    expect(tokens).toEqual(['[CLS]', 'good', 'film', '[SEP]', 'good', '[SEP]']);
    expect(experts!.map(({ path }) => path)).toEqual([
      'encoder.layers.0.feed_forward.intermediate',
      'encoder.layers.0.feed_forward.output',
      'encoder.layers.1.feed_forward.intermediate',
      'encoder.layers.1.feed_forward.output',
    ]);
    for (const layer of experts!) {
      expect(layer.experts).toHaveLength(6);
      for (const [token, chosen] of layer.experts.entries()) {
        expect(new Set(chosen).size).toBe(2);
        for (const expert of chosen) expect([0, 1, 2]).toContain(expert);
        const [best = 0, next = 0] = layer.gates[token]!;
        expect(best).toBeGreaterThanOrEqual(next);
        expect(best + next).toBeCloseTo(1, 5);
      }
    }

    const text = await succeed('predict', 'moe', 'good film', 'good', '--experts');
    const shown = experts!.map((layer) => layer.experts[1]!.join(' ')).join(' +');
    expect(text).toMatch(new RegExp(`^good +${shown}$`, 'm'));
    expect(text).toMatch(/^token +0 intermediate +0 output +1 intermediate +1 output$/m);
    expect(text).toContain(`${(100 * probability!).toFixed(2)} %`);
  });

  it('answers standard input line by line, as it answers each alone', async () => {
    const input = 'good film\tgood\nsad song plot\tnice cast\r\n';
    const { code, stdout, stderr } = await padnet(['predict', 'pad', '--file', '-', '--json'], { cwd, input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer);
    const texts = [
      { first: 'good film', second: 'good' },
      { first: 'sad song plot', second: 'nice cast' },
    ];
    expect(answers.map(({ sentence, second }) => ({ first: sentence, second }))).toEqual(texts);
    for (const [index, text] of texts.entries()) {
      const alone = await answer('pad/model', text);
      expect(answers[index]!.label).toBe(alone.label);
      expect(answers[index]!.probability).toBeCloseTo(alone.probabilities![alone.label!]!, 5);
    }
  });

  it('answers a file, with one warning about what is too long', async () => {
    const long = 'good '.repeat(30).trim();
    writeFileSync(join(cwd, 'long.tsv'), `${long}\tsad\ngood\tsad\n${long}\t${long}\n`);
    const { code, stdout, stderr } = await run('predict', 'moe', '--file', 'long.tsv');
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^(not_)?entailment \d+\.\d\d %\tgood\tsad$/);
    expect(stderr).toBe('padnet: input: 2 texts are longer than 16 tokens (up to 63) and were truncated\n');
  });

  it('gives a score where the task asks for one', async () => {
    const { score } = await answer('stsb/model', { first: 'good film', second: 'good film' });
    expect(await succeed('predict', 'stsb', 'good film', 'good film')).toBe(`${score!.toFixed(3)}\n`);
  });

  it('says that a static network has no experts', async () => {
    const { code, stdout, stderr } = await run('predict', 'static', 'good', 'sad', '--experts', '--json');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'padnet: the network of static is static: it has no experts\n',
    });
    expect((JSON.parse(stdout) as Answer).experts).toEqual([]);
  });

  it('says what is missing or wrong in one line', async () => {
    writeFileSync(join(cwd, 'single.tsv'), 'good\tsad\ngood\n');
    const cases = [
      [['moe', 'good'], 2, 'rte is about pairs: give two sentences'],
      [
        ['moe', '--file', 'single.tsv'],
        1,
        'single.tsv: line 2 has 1 columns, expected 2: two sentences with a tab between',
      ],
      [['picture', 'good'], 1, 'good: there is no such file'],
      [['moe', 'good', 'sad', 'bad'], 2, 'expected one sentence or two: put each in quotes'],
      [['moe', 'good', 'sad', '--top', '3'], 2, '--top is for runs on pictures; moe is on texts'],
    ] as const;
    const results = await Promise.all(cases.map(([parameters]) => run('predict', ...parameters)));
    expect(results).toEqual(cases.map(([, code, message]) => ({ code, stdout: '', stderr: `padnet: ${message}\n` })));
  });
});

describe('help', () => {
  it.each([
    ['predict', 'padnet predict runs/sst2-pad50 "a film that is worth its length"'],
    ['convert', 'padnet convert pretrained/bert --layer dynamic --experts 8 --k 2 --out networks/bert-moe'],
  ])('%s has an example', async (command, example) => {
    const text = await succeed(command, '--help');
    expect(text).toContain(`Usage: padnet ${command}`);
    expect(text).toContain(`  $ ${example}\n`);
  });
});

describe('eval', () => {
  interface Evaluation {
    readonly task: string;
    readonly metric: string;
    readonly score: number;
    readonly metrics: Record<string, number>;
    readonly sentences: number;
    readonly classes: { name: string; sentences: number; accuracy: number }[] | null;
    readonly submission?: string[];
  }

  it('gives what training ended with, by class', async () => {
    const result = await json<Evaluation>('eval', 'pad');
    const events = readFileSync(join(cwd, 'pad/metrics.jsonl'), 'utf8').trim().split('\n');
    const finished = JSON.parse(events.at(-1)!) as { testScore: number };
    expect(result).toMatchObject({ task: 'rte', metric: 'accuracy', score: finished.testScore, sentences: 24 });
    expect(result.classes!.map(({ name, sentences }) => [name, sentences])).toEqual([
      ['entailment', 16],
      ['not_entailment', 8],
    ]);
    const [first, second] = result.classes!.map(({ accuracy }) => accuracy);
    expect(result.score).toBeCloseTo((16 * first! + 8 * second!) / 24, 10);
  });

  it('gives every metric of a task that has two', async () => {
    const text = await succeed('eval', 'stsb');
    const [, ...values] = /^test Pearson (\S+), Spearman (\S+), mean (\S+), loss /.exec(text)!;
    const [pearson = NaN, spearman = NaN, mean = NaN] = values.map((value) => Number(value.replace('−', '-')));
    expect(mean).toBeCloseTo((pearson + spearman) / 2, 1);
    expect(text).toMatch(/^24 sentences of STS-B\/dev in /m);
    expect(text).not.toContain('class');
  });

  it("writes the predictions for the task's test file, and says where there is none", async () => {
    const missing = await run('eval', 'pad', '--submission', 'handed');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/^padnet: --submission: .*glue\/RTE has no test\.tsv\[\.gz\].*\n$/);
    expect(existsSync(join(cwd, 'handed'))).toBe(false);

    const test = join(cwd, 'glue/RTE/test.tsv');
    writeFileSync(test, 'index\tsentence1\tsentence2\n7\tgood film\tgood\n8\tsad song\tnice cast\n');
    try {
      const { submission } = await json<Evaluation>('eval', 'pad', '--submission', 'handed');
      expect(submission).toEqual(['handed/RTE.tsv']);
      const { label } = await answer('pad/model', { first: 'good film', second: 'good' });
      const lines = readFileSync(join(cwd, 'handed/RTE.tsv'), 'utf8').split('\n');
      expect(lines.slice(0, 2)).toEqual(['index\tprediction', `7\t${label!}`]);
      expect(lines[2]).toMatch(/^8\t(not_)?entailment$/);
    } finally {
      rmSync(test);
    }
  });

  it('refuses options of the other kind of runs', async () => {
    expect(await run('eval', 'moe', '--batch-size', '3')).toMatchObject({
      code: 2,
      stderr: 'padnet: --batch-size is for runs on pictures; moe is on sentences\n',
    });
  });
});

describe('inspect', () => {
  interface Inspection {
    readonly sample: string;
    readonly parameters: number;
    readonly dynamicRatio: number | null;
    readonly rows: { path: string; kind: string; experts: string | null; parameters: number; inputShape: number[] }[];
  }

  it('lists the layers of a run, of a recipe and of a pretrained encoder', async () => {
    const [trained, encoder] = await Promise.all(['moe', 'encoder'].map((what) => json<Inspection>('inspect', what)));
    expect(trained!.sample).toBe('16 tokens');
    expect(trained!.dynamicRatio).toBe(1);
    const mixture = trained!.rows.find(({ path }) => path === 'encoder.layers.1.feed_forward.output');
    // Three experts of 16 × 32 with biases, gates and noise of 32 × 3 each.
    const parameters = 3 * (16 * 32 + 16) + 2 * 32 * 3;
    expect(mixture).toMatchObject({ kind: 'MoELinear dynamic', experts: '2 of 3', parameters, inputShape: [16, 32] });
    const variation = expect.any(Number) as number;
    expect(mixture).toMatchObject({ router: { variation, unusedExperts: expect.any(Array) as number[] } });
    expect(encoder!.dynamicRatio).toBeNull();
    expect(encoder!.parameters).toBe(encoder!.rows.reduce((sum, row) => sum + row.parameters, 0));
    const text = await succeed('inspect', 'rte-pad50.yaml');
    expect(text).toMatch(
      /^encoder\.layers\.1\.feed_forward\.output +MoELinear partial .* 1 of 2 +16 of 16 +100\.0 % /m,
    );
    expect(text).toMatch(/^layer +kind +input → output +experts +dynamic filters +κ +stored +MACs$/m);
    expect(text).toContain('shapes and MACs are of 16 tokens');
  });
});

describe('partition and compare', () => {
  it('partitions a mixture of experts by neurons', async () => {
    const before = checksums(join(cwd, 'moe'));
    const options = ['--ratio', '0.5', '--rounds', '1', '--batches', '2', '--granularity', 'neuron'];
    const text = await succeed('partition', 'moe', ...options, '--out', 'half.safetensors');
    expect(text).toMatch(
      /^test accuracy .* % before, .* % with these masks, not trained further; all numbers in half\.json$/m,
    );
    expect(checksums(join(cwd, 'moe'))).toEqual(before);
    const { masks, settings } = decodePartition(readFileSync(join(cwd, 'half.safetensors')), 'half.safetensors');
    expect(settings).toMatchObject({ ratio: 0.5, granularity: 'neuron' });
    expect(overallDynamicRatio(masks.values())).toBeCloseTo(0.5, 1);
  });

  it('writes a report with the load of the experts', async () => {
    const text = await succeed('compare', 'static', 'moe', 'pad', '--out', 'report.html');
    expect(text).toMatch(/^Test accuracy/m);
    expect(text).toMatch(/^MACs for 16 tokens/m);
    expect(text).toMatch(/^ +static +MoE +PAD-Net/m);
    const page = readFileSync(join(cwd, 'report.html'), 'utf8');
    for (const heading of [
      'How evenly the experts are used',
      'Which tokens go where',
      'Router entropy over training',
    ]) {
      expect(page).toContain(heading);
    }
  });

  it('compares without the data', async () => {
    appendFileSync(join(cwd, 'glue/RTE/dev.tsv'), 'one column\n');
    const damaged = await run('compare', 'moe', '--out', 'less.html');
    expect(damaged.code).toBe(0);
    expect(damaged.stderr).toMatch(/^padnet: without the routers of moe: .*RTE\/dev\.tsv: line 26 has 1 columns.*\n$/);
    const { stderr } = await run('compare', 'static', '--out', 'less.html');
    expect(stderr).toMatch(/^padnet: without the number of test samples of static: .*RTE\/dev\.tsv: line 26 .*\n$/);
    writeTinyGlue(join(cwd, 'glue'));
  });
});

describe('convert', () => {
  it('makes a trained run partial with the same answers', async () => {
    const options = ['--layer', 'partial', '--experts', '4', '--ratio', '0.25', '--out', 'converted/pad'];
    const text = await succeed('convert', 'static', ...options);
    expect(text).toMatch(/^dynamic ratio κ +0\.0 % +25\.0 %$/m);
    expect(text).toMatch(/^logits differ by at most \S+ on 4 random texts of 16 tokens$/m);
    const [was, is] = await Promise.all(
      ['static/model', 'converted/pad'].map((network) => answer(network, { first: 'good film', second: 'good' })),
    );
    expect(is!.probabilities!.entailment).toBeCloseTo(was!.probabilities!.entailment!, 5);
  });

  it('makes a pretrained encoder a mixture of experts', async () => {
    const options = ['--layer', 'dynamic', '--experts', '3', '--layers', '1', '--out', 'converted/moe'];
    const { difference } = await json<{ difference: number }>('convert', 'encoder', ...options);
    expect(difference).toBeLessThan(1e-5);
    expect(loadModel(join(cwd, 'converted/moe/model.json')).description.model).toMatchObject({
      layer: 'dynamic',
      layers: [1],
    });
  });
});
