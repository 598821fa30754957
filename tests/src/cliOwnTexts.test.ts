/** Texts of one's own by the command line: train, predict, eval, compare, inspect, ablate, on a tiny encoder. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { writeTinyEncoder } from './tinyGlue.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

async function succeed(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...parameters);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const write = (name: string, text: string | Uint8Array): void => {
  writeFileSync(join(cwd, name), text);
};

/** Rows with an opinion of a film, a plot, a song or a cast; quoted, as they hold a comma. */
const rows = Array.from({ length: 60 }, (_, row) => {
  const words = ['good fine', 'bad poor', 'nice sad'][row % 3]!;
  return {
    text: `${words}, ${['film', 'plot', 'song', 'cast'][row % 4]!}`,
    verdict: ['praise', 'blame', 'both'][row % 3]!,
  };
});
const csv = (all: readonly { text: string; verdict: string }[]): string =>
  ['id,verdict,text', ...all.map(({ text, verdict }, id) => `${id},${verdict},"${text}"`), ''].join('\n');

const recipe = (layer: string, changes = ''): string => `
modality: text
model: { pretrained: encoder, layer: ${layer}, numExperts: 2, k: 1 }
data: { name: text, path: reviews.csv, labelColumn: verdict, batchSize: 8${changes} }
training: { epochs: 2, learningRate: 0.003 }
${layer === 'partial' ? 'partition: { ratio: 0.5, rounds: 1, batches: 2 }' : ''}
`;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-own-texts-'));
  writeTinyEncoder(join(cwd, 'encoder'));
  write('reviews.csv', csv(rows));
  write('static.yaml', recipe('static'));
  write('pad.yaml', recipe('partial'));
  for (const layer of ['static', 'pad']) {
    const text = await succeed('train', `${layer}.yaml`, '--out', layer);
    expect(text).toMatch(/^finished: test accuracy /m);
  }
});
afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

interface Evaluation {
  readonly task: null;
  readonly metric: string;
  readonly score: number;
  readonly sentences: number;
  readonly classes: { name: string; sentences: number; accuracy: number }[];
  readonly submission?: string[];
}

const evaluate = async (...parameters: string[]): Promise<Evaluation> =>
  JSON.parse(await succeed('eval', ...parameters, '--json')) as Evaluation;

describe('train', () => {
  it('writes down paths that stay right, and how it divided the rows', async () => {
    const text = readFileSync(join(cwd, 'pad/recipe.yaml'), 'utf8');
    expect(text).toContain(`path: ${join(cwd, 'reviews.csv')}\n`);
    write('few.csv', csv(rows.slice(0, 6)));
    await succeed('train', 'static.yaml', '--set', 'data.test=few.csv', '--out', 'tested');
    expect(readFileSync(join(cwd, 'tested/recipe.yaml'), 'utf8')).toContain(`test: ${join(cwd, 'few.csv')}\n`);
    const split = JSON.parse(readFileSync(join(cwd, 'pad/split.json'), 'utf8')) as { train: string[]; test: string[] };
    expect([split.train.length, split.test.length]).toEqual([48, 12]);
    expect(new Set([...split.train, ...split.test].map((name) => Number(name.split(':')[0])))).toEqual(
      new Set(rows.map((_, row) => row + 2)),
    );
  });

  it('says in one line what is wrong, and leaves nothing', async () => {
    write('wrong.csv', csv(rows.with(4, { text: 'good', verdict: '' })));
    const tries: [string, string][] = [
      ['data.path=wrong.csv', 'wrong.csv: line 6: verdict is "", expected blame or both or praise; correct the line'],
      [
        'data.labelColumn=class',
        'reviews.csv: line 1 names no column class, expected it among id, verdict, text; say which it is with ' +
          'data.labelColumn, or name the columns with data.columns if line 1 is a row',
      ],
      [
        'data.path=none.csv',
        'data.path: expected a file of texts, or a folder of them, at none.csv, but there is no such file',
      ],
    ];
    for (const [change, message] of tries) {
      const { code, stderr } = await run('train', 'static.yaml', '--set', change, '--out', 'none');
      expect({ code, stderr: stderr.replaceAll(`${cwd}/`, '') }).toEqual({
        code: 1,
        stderr: `padnet: ${message}\n`,
      });
    }
    const bad = await run('train', 'static.yaml', '--set', 'data.metric=f1', '--out', 'none');
    expect(bad.stderr).toMatch(/^padnet: data\.metric: f1 is for two classes, .*reviews\.csv has 3; choose macroF1/);
    expect(existsSync(join(cwd, 'none'))).toBe(false);
  });
});

describe('predict', () => {
  it('names the classes, of a text and of files of each kind', async () => {
    const text = await succeed('predict', 'pad', 'good fine, film', '--experts');
    expect(text).toMatch(/^(praise|blame|both) +\d+\.\d\d %$/m);
    const one = JSON.parse(await succeed('predict', 'pad', 'good fine, film', '--json')) as {
      label: string;
      probability: number;
      probabilities: Record<string, number>;
    };
    expect(Object.keys(one.probabilities)).toEqual(['blame', 'both', 'praise']);

    const texts = ['good fine, film', 'a "sad" song'];
    write('new.csv', 'text,note\n"good fine, film",x\n"a ""sad"" song",y\n');
    write('new.jsonl', texts.map((each) => JSON.stringify({ text: each })).join('\n'));
    write('new.tsv.gz', gzipSync(`id\ttext\n${texts.map((each, id) => `${id}\t${each}\n`).join('')}`));
    write('new.txt', `${texts.join('\n')}\n`);
    const [first, ...others] = await Promise.all(
      ['new.csv', 'new.jsonl', 'new.tsv.gz', 'new.txt'].map((file) =>
        succeed('predict', 'pad', '--file', file, '--csv'),
      ),
    );
    for (const other of others) expect(other).toBe(first);
    const lines = first!.trim().split('\n');
    expect(lines[0]).toBe('text,label,probability');
    expect(lines[1]!.startsWith(`"good fine, film",${one.label},`)).toBe(true);
    expect(Number(lines[1]!.split(',').at(-1))).toBeCloseTo(one.probability, 6);
    expect(lines[2]).toMatch(/^"a ""sad"" song",(praise|blame|both),0\.\d+$/);
  });

  it('says what is wrong with a file', async () => {
    write('other.csv', 'sentence\ngood\n');
    write('empty.csv', 'text\ngood\n\nbad\n');
    const tries: [string[], number, string][] = [
      [['--file', 'other.csv'], 1, 'other.csv: line 1 names no column text, expected it among sentence'],
      [['--file', 'empty.csv'], 1, 'empty.csv: line 3 has no text in text; correct or remove what is wrong'],
      [['good', 'bad'], 2, 'pad is about one sentence, not two'],
      [['good', '--csv', '--json'], 2, '--json and --csv are two forms of the answer: give one of them'],
    ];
    for (const [parameters, code, message] of tries)
      expect(await run('predict', 'pad', ...parameters)).toEqual({ code, stdout: '', stderr: `padnet: ${message}\n` });
  });
});

describe('files that are written otherwise', () => {
  const texts = ['good fine, film', 'bad poor'];
  const between = (delimiter: string, quote = ''): string =>
    ['verdict,text', ...texts.map((text) => `praise,${quote}${text}${quote}`), '']
      .join('\n')
      .replace(/,(?! )/g, delimiter);
  const answers = async (network: string, file: string): Promise<string> =>
    await succeed('predict', network, '--file', file, '--csv');

  beforeAll(async () => {
    write('semicolons.csv', csv(rows).replaceAll(/,(?! )/g, ';'));
    write('headless.csv', rows.map(({ text, verdict }) => `${verdict};${text}\n`).join(''));
    write('nameless.txt', csv(rows));
    const semicolons = ['--set', 'data.delimiter=;'];
    const columns = ['--set', 'data.columns=[verdict,text]'];
    await succeed('train', 'static.yaml', '--set', 'data.path=semicolons.csv', ...semicolons, '--out', 'semicolons');
    await succeed(
      'train',
      'static.yaml',
      '--set',
      'data.path=headless.csv',
      ...semicolons,
      ...columns,
      '--out',
      'headless',
    );
    await succeed(
      'train',
      'static.yaml',
      '--set',
      'data.path=nameless.txt',
      '--set',
      'data.format=csv',
      '--out',
      'nameless',
    );
    for (const network of ['semicolons', 'headless', 'nameless'])
      await succeed('convert', network, '--layer', 'dynamic', '--out', `${network}-moe`);
    write('a.csv', between(',', '"'));
    write('b.csv', between(';'));
    write('c.tsv', between('\t'));
    write('d.txt', `${texts.join('\n')}\n`);
    write('e.jsonl', texts.map((text) => JSON.stringify({ text, verdict: 'praise' })).join('\n'));
  });

  it('are read by a run and a converted network as by their names and headings', async () => {
    for (const network of ['semicolons', 'semicolons-moe', 'static', 'pad']) {
      const wanted = await answers(network, 'd.txt');
      for (const file of ['a.csv', 'b.csv', 'c.tsv', 'e.jsonl']) {
        expect(await answers(network, file), `${network} ${file}`).toBe(wanted);
        expect(await evaluate(network, '--data', file)).toMatchObject({ sentences: 2 });
      }
    }
  });

  it('are read as those that the network was trained on, where they do not say it', async () => {
    write('f.csv', between(';').replace(/.*\n/, ''));
    for (const network of ['headless', 'headless-moe']) {
      expect(await answers(network, 'f.csv')).toBe(await answers(network, 'd.txt'));
      expect(await evaluate(network, '--data', 'f.csv')).toMatchObject({ sentences: 2 });
      expect(await evaluate(network, '--data', 'headless.csv')).toMatchObject({ sentences: 60 });
    }
    write('g.txt', between(',', '"'));
    for (const network of ['nameless', 'nameless-moe']) {
      const wanted = await answers(network, 'd.txt');
      for (const file of ['g.txt', 'e.jsonl']) {
        expect(await answers(network, file)).toBe(wanted);
        expect(await evaluate(network, '--data', file)).toMatchObject({ sentences: 2 });
      }
    }
  });

  it('are refused where they are none of these', async () => {
    write('x.json', '[{"text":"good"}]');
    write('y.csv.bak', between(','));
    mkdirSync(join(cwd, 'some'), { recursive: true });
    const ends = 'expected a name that ends in .csv, .tsv, .jsonl (or with .gz)';
    const tries: [string[], string][] = [
      ...(['x.json', 'y.csv.bak'] as const).map((file): [string[], string] => [
        ['predict', 'static', '--file', file],
        `${file}: ${ends}, or in .txt where it has a text a line, not in .${file.split('.').at(-1)!}; write the ` +
          'texts to such a file, or rename it',
      ]),
      [['eval', 'static', '--data', 'd.txt'], `d.txt: ${ends}; rename it`],
      [['eval', 'static', '--data', 'some'], 'some: expected a file of texts, but it is a folder; name a file in it'],
    ];
    for (const [parameters, message] of tries)
      expect(await run(...parameters)).toEqual({ code: 1, stdout: '', stderr: `padnet: ${message}\n` });
  });
});

describe('a network as Hugging Face saves it', () => {
  const fails = async (message: string | RegExp, ...parameters: string[]): Promise<void> => {
    const { code, stdout, stderr } = await run(...parameters);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  };

  it('answers as the run that it was converted from, and so does what is converted from it', async () => {
    write('few.csv', csv(rows.slice(0, 6)));
    await succeed('convert', 'static', '--layer', 'static', '--out', 'saved');
    await succeed('convert', 'saved', '--layer', 'dynamic', '--out', 'saved-moe');
    const answer = await succeed('predict', 'static', 'good fine, film');
    const { score } = await evaluate('static', '--data', 'few.csv');
    for (const network of ['saved', 'saved-moe']) {
      expect(await succeed('predict', network, 'good fine, film')).toBe(answer);
      expect((await evaluate(network, '--data', 'few.csv')).score).toBe(score);
      expect((await evaluate(network, '--recipe', 'static.yaml')).sentences).toBe(12);
    }
  });

  it('says what to do where others have trained it, or nobody', async () => {
    await succeed('convert', 'encoder', '--layer', 'dynamic', '--out', 'untrained');
    const config = join(cwd, 'saved/config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replaceAll('blame', 'other'));
    writeFileSync(config, readFileSync(config, 'utf8').replace('"other"', '"another"'));
    for (const network of ['encoder', 'untrained', 'saved']) {
      const unknown = new RegExp(
        `^padnet: ${network} does not say what its answers are .*; a recipe with model.pretrained: ${network} trains ` +
          `it, .padnet eval ${network} --recipe <file>. evaluates it on a recipe's data\\n$`,
      );
      await fails(unknown, 'predict', network, 'good');
      await fails(unknown, 'eval', network, '--data', 'reviews.csv');
    }
    const outputs =
      /about blame, both, praise, but the network has 2 outputs without names, expected 3; a recipe with model\.pretrained/;
    await fails(outputs, 'eval', 'untrained', '--recipe', 'static.yaml');
    await fails(outputs, 'partition', 'untrained', '--recipe', 'static.yaml', '--ratio', '0.5');
  });
});

describe('eval', () => {
  it.each([
    ['static', 'eval', []],
    ['static', 'compare', ['--out', 'lost.html']],
    ['pad', 'partition', ['--ratio', '0.2']],
  ])('says where it is not known any more what the run %s was tested on: %s', async (trained, command, options) => {
    const lost = `${trained}-${command}`;
    cpSync(join(cwd, trained), join(cwd, lost), { recursive: true });
    rmSync(join(cwd, lost, 'split.json'));
    const { code, stderr } = await run(command, lost, ...options);
    const split =
      `padnet: ${lost}/split.json is missing, which says what the run was tested on: ` + 'its data are divided anew, ';
    expect([code, stderr.slice(0, split.length)]).toEqual([0, split]);
    expect(stderr).toMatch(/from a copy\n$/);
  });

  it('gives what training ended with, on the rows that it was not trained on', async () => {
    const events = readFileSync(join(cwd, 'pad/metrics.jsonl'), 'utf8').trim().split('\n');
    const { testScore } = JSON.parse(events.at(-1)!) as { testScore: number };
    const result = await evaluate('pad');
    expect(result).toMatchObject({ task: null, metric: 'accuracy', score: testScore, sentences: 12 });
    expect(result.classes.map(({ name, sentences }) => [name, sentences])).toEqual([
      ['blame', 4],
      ['both', 4],
      ['praise', 4],
    ]);
    // The same rows, whatever came to the file.
    appendFileSync(join(cwd, 'reviews.csv'), '60,praise,"good, song"\n');
    try {
      expect(await evaluate('pad')).toMatchObject({ score: testScore, sentences: 12 });
      expect(await evaluate('static', '--recipe', 'pad/recipe.yaml')).toMatchObject({ sentences: 12 });
    } finally {
      write('reviews.csv', csv(rows));
    }
  });

  it('scores another file where it has labels, and predicts it where it has none', async () => {
    write('more.csv', csv(rows.slice(0, 6)));
    const text = await succeed('eval', 'pad', '--data', 'more.csv');
    expect(text).toMatch(/^test accuracy \d+\.\d+ %, loss \d\.\d{4}\n6 sentences of more\.csv in /);
    expect((await evaluate('pad', '--data', 'more.csv')).classes.map(({ sentences }) => sentences)).toEqual([2, 2, 2]);
    write('unknown.csv', 'text\n"good fine, film"\nbad poor\n');
    const { code, stdout, stderr } = await run('eval', 'pad', '--data', 'unknown.csv');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'padnet: unknown.csv has no column verdict, so its texts are predicted\n',
    });
    expect(stdout).toBe(await succeed('predict', 'pad', '--file', 'unknown.csv'));
    write('strange.csv', csv([...rows.slice(0, 2), { text: 'good', verdict: 'praised' }]));
    expect(await run('eval', 'pad', '--data', 'strange.csv')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'padnet: strange.csv: line 4: verdict is "praised", expected blame or both or praise; correct the line\n',
    });
  });

  it('has no score of numbers that are one', async () => {
    write('numbers.csv', csv(rows.map(({ text }, row) => ({ text, verdict: String(row % 5) }))));
    await succeed(
      'train',
      'static.yaml',
      '--set',
      'data.path=numbers.csv',
      '--set',
      'data.target=number',
      '--out',
      'numbers',
    );
    write('one.csv', 'text,verdict\ngood,3\n');
    expect(await run('eval', 'numbers', '--data', 'one.csv')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'padnet: one.csv: verdict is 3 in every row, expected different numbers\n',
    });
  });

  it('shows classes of any name in a line each', async () => {
    const names = ['a\nb', '\x1b[31mred'];
    write('names.csv', csv(rows.map(({ text }, row) => ({ text, verdict: `"${names[row % 2]!}"` }))));
    await succeed('train', 'static.yaml', '--set', 'data.path=names.csv', '--out', 'names');
    const text = await succeed('eval', 'names');
    expect(text).toMatch(/^\\x1b\[31mred +6 .*\na\\x0ab +6 /m);
    expect(await succeed('predict', 'names', 'good')).toMatch(
      /^class +probability\n.*\n(a\\x0ab|\\x1b\[31mred) .*\n.*\n$/,
    );
    write('some.txt', 'good\n\x1b[1mbad\n');
    const lines = await succeed('predict', 'names', '--file', 'some.txt');
    expect(lines).toMatch(/^.* %\tgood\n.* %\t\\x1b\[1mbad\n$/);
    write('strange.csv', 'text,verdict\ngood,\x1b[1mx\n');
    const { stderr } = await run('eval', 'names', '--data', 'strange.csv');
    expect(stderr).toMatch(/^padnet: .* is "\\x1b\[1mx", expected \\x1b\[31mred or a\\x0ab; correct the line\n$/);
  });

  it('writes predictions for the test file of a folder', async () => {
    const parameters = ['--set', `data.path=${join(cwd, 'folder')}`, '--submission', 'handed'];
    mkdirSync(join(cwd, 'folder'), { recursive: true });
    for (const name of ['train', 'dev']) write(`folder/${name}.csv`, csv(rows.slice(0, 12)));
    const missing = await run('eval', 'pad', ...parameters);
    expect(missing.stderr).toMatch(
      /^padnet: --submission: the data have no file `test` beside the one that is tested on/,
    );
    write('folder/test.csv', 'id,text\nx7,"good fine, film"\nx8,bad poor\n');
    const { submission } = await evaluate('pad', ...parameters);
    expect(submission).toEqual(['handed/test.csv']);
    expect(readFileSync(join(cwd, 'handed/test.csv'), 'utf8')).toMatch(
      /^index,prediction\nx7,(praise|blame|both)\nx8,(praise|blame|both)\n$/,
    );
    const beside = await run('eval', 'pad', ...parameters.with(-1, 'folder'));
    expect(beside).toMatchObject({ code: 1, stdout: '' });
    expect(beside.stderr).toMatch(
      /^padnet: folder\/test\.csv is there already and is not a table of predictions, so it is not/,
    );
    expect(readFileSync(join(cwd, 'folder/test.csv'), 'utf8')).toMatch(/^id,text\n/);
  });

  it('takes options that go together', async () => {
    const tries: [string[], string][] = [
      [
        ['--data', 'reviews.csv', '--set', 'data.testLimit=2'],
        '--data and --set both say what pad is evaluated on: give one of them',
      ],
      [['--data', 'reviews.csv', '--batch-size', '2'], '--batch-size is for runs on pictures; pad is on sentences'],
    ];
    for (const [parameters, message] of tries)
      expect(await run('eval', 'pad', ...parameters)).toMatchObject({ code: 2, stderr: `padnet: ${message}\n` });
  });
});

describe('compare, inspect and ablate', () => {
  it('tell of texts as of everything else', async () => {
    const table = await succeed('compare', 'static', 'pad', '--out', 'report.html');
    expect(table).toMatch(/^12 test sentences leave an accuracy uncertain by /m);
    expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toContain('reviews.csv');
    expect(await succeed('inspect', 'pad')).toMatch(/16 tokens/);
    expect(await succeed('inspect', 'pad.yaml')).toMatch(/feed_forward/);
    write('ablation.yaml', 'recipe: pad.yaml\nsweeps: [{ partition.ratio: [0.2] }]\n');
    const text = await succeed(
      'ablate',
      'ablation.yaml',
      '--set',
      'training.epochs=1',
      '--set',
      'partition.epoch=0.5',
      '--out',
      'study',
    );
    expect(text).toMatch(/partition\.ratio=0\.2/);
    expect(text).toMatch(/accuracy/);
  });
});
