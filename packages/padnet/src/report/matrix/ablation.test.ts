import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import {
  ablation,
  ablationPlan,
  ablationResults,
  ablationRun,
  planOf,
} from '../../experiments/ablationRuns.test.fixture.js';
import { ablationTable, ablationTries, type AblationResults } from '../../experiments/index.js';
import { type AblationDocument, ablationReport } from './ablationReport.js';
import { ablationText } from './ablationText.js';

const results = ablationResults(
  {
    base: [0.75, 0.5],
    static: [0.5, 0.5],
    'partition.ratio=0.1': [0.5, 0.25],
    'partition.ratio=0.5': [0.875, null],
    'partition.granularity=filter': [0.5, 0.75],
  },
  [{ variant: 'partition.ratio=0.5', seed: 2, message: 'the loss is not finite' }],
);
const table = ablationTable(results);
const text = ablationText(results, table);
const origin = { command: 'padnet ablate ablation.yaml', date: new Date('2026-01-02T03:04:05Z') };

const lines = (of: AblationResults): string[] => ablationReport('ablation.yaml', of, origin).text.split('\n');
const contentOf = (label: string, of: AblationResults = results, file = 'ablation.yaml'): string =>
  ablationReport(file, of, origin).files.find((each) => each.label === label)!.content;

describe('ablationTable', () => {
  it('gives mean and sample deviation, and pairs differences to the base by seed', () => {
    expect(table.base).toMatchObject({ score: { mean: 0.625, deviation: Math.SQRT2 / 8, count: 2 }, difference: null });
    const [ratio] = table.sweeps;
    expect(ratio!.rows.map(({ values, variant }) => [values, variant])).toEqual([
      [['0.1'], 'partition.ratio=0.1'],
      [['0.3'], 'base'],
      [['0.5'], 'partition.ratio=0.5'],
    ]);
    expect(ratio!.rows[0]!.difference).toEqual({
      mean: -0.25,
      deviation: 0,
      count: 2,
      interval: [-0.25, -0.25],
      p: 0,
      correctedP: 0,
    });
    expect(ratio!.rows[1]).toMatchObject({ ...table.base, difference: null });
    expect(ratio!.rows[2]).toMatchObject({
      score: { mean: 0.875, deviation: null, count: 1 },
      difference: { mean: 0.125, deviation: null, count: 1, interval: null },
      failed: [2],
    });
    expect(table.references[0]).toMatchObject({ name: 'static', difference: { mean: -0.125, count: 2 } });
  });

  it('pairs nothing where the base has not finished', () => {
    const { base, sweeps } = ablationTable(ablationResults({ base: [0.5, null], 'partition.ratio=0.1': [null, 0.5] }));
    expect(base.score).toEqual({ mean: 0.5, deviation: null, count: 1 });
    expect(sweeps[0]!.rows[0]).toMatchObject({ score: { mean: 0.5 }, difference: null });
    const empty = ablationTable(ablationResults({}));
    expect(empty.metric).toBeNull();
    expect(empty.base).toMatchObject({ score: null, parameters: null, stepSeconds: null });
  });

  it('averages what a network costs over seeds', () => {
    expect(table.base).toMatchObject({ parameters: 1_900_000, dynamicRatio: 0.3 });
    expect(table.base.stepSeconds).toBeCloseTo(0.3, 12);
  });
});

describe('ablationText', () => {
  it('has a table for the base and each sweep', () => {
    expect(lines(results).slice(0, 22)).toEqual([
      'The base and what to measure it by',
      'recipe  test accuracy, %               to the base  p (Holm)  stored       κ    step',
      '──────  ────────────────  ────────────────────────  ────────  ──────  ──────  ──────',
      'base       62.50 ± 17.68                      base            1.90 M  30.0 %  300 ms',
      // Differences of −25 and 0: ± 12.7062 · 17.68 / √2.
      'static      50.00 ± 0.00  −12.50 [−171.33, 146.33]      0.50  1.00 M   0.0 %  300 ms',
      'Not told apart from the base: static.',
      '',
      'partition.ratio',
      'ratio     test accuracy, %                to the base  p (Holm)  stored       κ    step',
      '─────  ───────────────────  ─────────────────────────  ────────  ──────  ──────  ──────',
      '0.1          37.50 ± 17.68  −25.00 [−25.00, −25.00] *   < 0.001  1.30 M  10.0 %  300 ms',
      '0.3          62.50 ± 17.68                       base            1.90 M  30.0 %  300 ms',
      '0.5    87.50 (1, 1 failed)                     +12.50            2.50 M  50.0 %  250 ms',
      'Below the base: 0.1 (−25.00 [−25.00, −25.00]).',
      '',
      'partition.ratio × partition.granularity',
      'ratio  granularity  test accuracy, %                to the base  p (Holm)  stored       κ    step',
      '─────  ───────────  ────────────────  ─────────────────────────  ────────  ──────  ──────  ──────',
      '0.1    entry           37.50 ± 17.68  −25.00 [−25.00, −25.00] *   < 0.001  1.30 M  10.0 %  300 ms',
      '0.1    filter                      –                          –                 –       –       –',
      '0.3    entry           62.50 ± 17.68                       base            1.90 M  30.0 %  300 ms',
      '0.3    filter          62.50 ± 17.68     0.00 [−317.66, 317.66]      1.00  1.90 M  30.0 %  300 ms',
    ]);
  });

  it('says what it comes to, corrected over all recipes', () => {
    // Of all seeds only 0.1 and filter.
    expect(text.lead).toBe(
      'The base reaches a test accuracy of 62.50 ± 17.68 %. Of 2 other recipes 1 differs from it, by a ' +
        'paired t test at 5 % and Holm’s correction over all of them.',
    );
    expect(ablationText(ablationResults({}), ablationTable(ablationResults({}))).lead).toBeNull();
  });

  it('takes back what is a difference only by itself', () => {
    const three = ablationResults(
      {
        base: [0.5, 0.6, 0.55],
        // Differences of ± 2, 4 and 3: t = ± 5.196, p = 0.0351, and of two such the corrected one is 0.070.
        'partition.ratio=0.1': [0.48, 0.56, 0.52],
        'partition.ratio=0.5': [0.52, 0.64, 0.58],
        // 3, 4, 3: t = 10, p = 0.00985, of three 0.0296.
        'partition.granularity=filter': [0.53, 0.64, 0.58],
        'partition.ratio=0.1,partition.granularity=filter': [0.5, 0.63, 0.55],
      },
      [],
      planOf(ablation.replace('seeds: [1, 2]', 'seeds: [1, 2, 3]')),
    );
    const own = ablationTable(three);
    expect(own.sweeps[0]!.rows.map(({ difference }) => difference && [difference.p, difference.correctedP])).toEqual([
      [expect.closeTo(0.0350988, 6), expect.closeTo(0.0701976, 6)],
      null,
      [expect.closeTo(0.0350988, 6), expect.closeTo(0.0701976, 6)],
    ]);
    const { sweeps, lead } = ablationText(three, own);
    expect(sweeps[0]!.finding).toBe(
      'Not told apart from the base once corrected for all rows: 0.1 (−3.00 [−5.48, −0.52]), 0.5 (+3.00 [0.52, 5.48]).',
    );
    expect(sweeps[1]!.finding).toMatch(
      /^Above the base: 0\.3 · filter \(\+3\.33 \[1\.90, 4\.77\]\)\. .* all rows: 0\.1 · entry \(.*\)\. Not told apart from the base: 0\.1 · filter\.$/,
    );
    expect(lead).toContain('Of 4 other recipes 1 differs from it, by');
  });

  it('notes what has to be known', () => {
    expect(text.notes).toEqual([
      'Test accuracy, %: mean ± standard deviation (n − 1) over seeds 1, 2.',
      'In parentheses: how many of 2 seeds have finished, where not all.',
      expect.stringContaining('its 95 % interval (Student’s t)') as string,
      expect.stringMatching(/^Stored numbers, κ and step are means over seeds/) as string,
      'static differs from the base in more than its layers (base, static): training.epochs 4, 5.',
      'Failed: partition.ratio=0.5, seed 2: the loss is not finite',
    ]);
  });
});

describe('arms, and a difference that would count', () => {
  const plan = planOf(
    ablation
      .replace('seeds: [1, 2]', 'seeds: [1, 2, 3]\ndifference: 2')
      .replace(/sweeps:[^]*/, 'arms: { none: { set: { partition.ratio: 0 } }, much: { set: { partition.ratio: 1 } } }'),
  );
  const own = ablationResults(
    {
      base: [0.5, 0.6, 0.55],
      static: [0.4, 0.5, 0.455],
      // + 1, 0.8, 1.2 and − 5, 1, 3
      none: [0.51, 0.608, 0.562],
      much: [0.45, 0.61, 0.58],
    },
    [],
    plan,
  );
  const report = ablationReport('ablation.yaml', own, origin);
  const line = (beginning: string): string => report.text.split('\n').find((each) => each.startsWith(beginning))!;

  it('are a table of their own, which says of each row what it excludes', () => {
    expect(line('arm ')).toMatch(/^arm +test accuracy, % +to the base +p \(Holm\) +than 2 points +stored/);
    expect(line('none')).toMatch(/ \+1\.00 \[0\.50, 1\.50\] \* +0\.026 +smaller /);
    expect(line('much')).toMatch(/ −0\.33 \[−\d+\.\d\d, \d+\.\d\d\] +0\.90 +open /);
    expect(line('static ')).toMatch(/ −9\.83 \[.*\] \* +< 0\.001 +larger /);
    expect(report.text).toContain(
      'Above the base: none (+1.00 [0.50, 1.50]). Not told apart from the base: much. Less than 2 points from the ' +
        'base: none.',
    );
    expect(report.text).toContain(' More than 2 points from the base: static.');
    expect(report.document).toMatchObject({
      arms: [
        { name: 'none', against: 'smaller' },
        { name: 'much', against: 'open' },
      ],
      references: [{ against: 'larger' }],
      base: { against: null },
      power: { difference: 0.02, rows: 2 },
    });
  });

  it('are on the page', () => {
    const page = report.files.find(({ label }) => label === 'page')!.content;
    expect(page).toContain('<h2>The arms</h2>');
    expect(page).toContain('The band is the difference that would count, 2 points to each side.');
    expect(page).toMatch(/aria-label="The arms: none: 56\.0; much: 54\.7; static 45\.2; base 55\.0"/);
  });

  it('say how many seeds they need', () => {
    // Deviations of 0.2 and 4.16 points of the arms and 0.29 of static, two degrees of freedom each.
    const squares = ablationTable(own).power.measured!.deviation ** 2;
    expect(squares).toBeCloseTo((2 * 0.002 ** 2 + 2 * 0.0416333 ** 2 + 2 * 0.00288675 ** 2) / 6, 8);
    expect(ablationText(own, ablationTable(own)).power).toEqual([
      'In 80 % of cases 3 seeds show a difference of 3.26 times its standard deviation from seed to seed (4.62 after ' +
        'the correction over 2 rows), by a paired t test at 5 %, two-sided.',
      'It was 2.41 points in the runs so far (3 differences, 6 degrees of freedom), so that 7.87 points can be shown ' +
        '(11.2 after the correction over 2 rows).',
      'A difference of 2 points needs 14 seeds (17 after the correction over 2 rows).',
    ]);
    const none = ablationResults({}, [], plan);
    expect(ablationText(none, ablationTable(none)).power.slice(1)).toEqual([
      'So 2 points can be shown where that deviation is at most 0.613.',
      'A difference of 2 points needs 5 seeds where the deviation is half as large, 10 where it is as large, 34 ' +
        'where it is twice as large.',
    ]);
    const one = ablationResults({}, [], planOf(ablation.replace('[1, 2]', '[1]')));
    expect(ablationText(one, ablationTable(one)).power).toEqual([
      'One seed shows no difference: how far differences lie apart from seed to seed is not known.',
    ]);
  });
});

describe('what was tried', () => {
  const plan = planOf(`${ablation}tune: { training.learningRate: [0.05, 0.1] }\n`, { isHeldOut: true });
  const tried = (values: Readonly<Record<string, number>>): AblationResults => ({
    plan,
    runs: ablationTries(plan).flatMap(({ cell, recipe }) => {
      const validationScore = values[cell.variant];
      return validationScore === undefined ? [] : [{ ...ablationRun(cell, 0.5, { recipe }), validationScore }];
    }),
    failed: [],
    diverged: [
      { variant: 'static', seed: 1, message: 'not finite' },
      { variant: 'static,training.learningRate=0.05', seed: 1, message: 'not finite' },
    ],
  });
  const report = ablationReport('ablation.yaml', tried({ base: 0.7, 'training.learningRate=0.05': 0.75 }), origin);
  const lines = report.text.split('\n');

  it('is a table with the choice, beside what it was chosen for', () => {
    const first = lines.indexOf('Tried on validation data: training.learningRate');
    expect(lines.slice(first + 1, first + 6)).toEqual([
      'recipe                                                0.05       0.1  chosen',
      '────────────────────────────────────────────────  ────────  ────────  ──────',
      'base                                                 75.00     70.00    0.05',
      'static                                            diverged  diverged    none',
      'partition.ratio=0.1                                      –         –       –',
    ]);
    expect(lines[1]).toMatch(/^recipe +learningRate +test accuracy, % /);
    expect(lines[3]).toMatch(/^base +0\.05 +50\.00 \(1\) +base /);
    expect(lines[4]).toMatch(/^static +– +2 failed /);
    expect(lines).toContain('All tries diverged of static.');
    expect(report.document.tuning!.networks[0]).toMatchObject({
      state: 'chosen',
      chosen: { values: ['0.05'], score: 0.75 },
    });
  });

  it('is not told as a difference of recipes', () => {
    const notes = (text: string): readonly string[] => {
      const none = ablationResults({}, [], planOf(`${ablation}${text}`, { isHeldOut: true }));
      return ablationText(none, ablationTable(none)).notes;
    };
    const difference = 'static differs from the base in more than its layers (base, static): training.epochs 4, 5.';
    expect(notes('tune: { training.learningRate: [0.05, 0.1] }\n')).toContain(difference);
    expect(notes('tune: { training.epochs: [4, 5] }\n')).not.toContain(difference);
  });

  it('is on the page', () => {
    const page = report.files.find(({ label }) => label === 'page')!.content;
    expect(page).toContain('<h2>Tried on validation data: training.learningRate</h2>');
    expect(page.replace(/\s+/g, ' ')).toContain('<b title="best">75.00</b>');
  });
});

it('is a document for machines', () => {
  const document = JSON.parse(contentOf('numbers')) as AblationDocument;
  expect(document).toMatchObject({ command: origin.command, date: '2026-01-02T03:04:05.000Z', seeds: [1, 2] });
  expect(document.notes).toContain('partition.ratio: Below the base: 0.1 (−25.00 [−25.00, −25.00]).');
  expect(document.runs).toHaveLength(results.runs.length);
});

describe('ablationReport', () => {
  interface Element {
    readonly textContent: string;
  }
  const select = (page: string, selector: string): string[] => {
    const { document } = parseHTML(page) as {
      readonly document: { querySelectorAll(name: string): Iterable<Element> };
    };
    return Array.from(document.querySelectorAll(selector), ({ textContent }) =>
      textContent.replace(/\s+/g, ' ').trim(),
    );
  };
  const page = contentOf('page');

  it('has every sweep as a plot and a table', () => {
    expect(select(page, 'h2')).toEqual([
      'What the keys of the recipe change',
      'What these seeds can show',
      'The base and what to measure it by',
      'partition.ratio',
      'partition.ratio × partition.granularity',
    ]);
    expect(select(page, '.sweep svg')).toHaveLength(2);
    expect(select(page, '.sweep:first-of-type tbody tr:first-of-type > *').slice(0, 3)).toEqual([
      '0.1',
      '37.50± 17.68',
      '−25.00[−25.00, −25.00] *',
    ]);
    const labels = [...page.matchAll(/aria-label="([^"]*)"/g)].map((match) => match[1]);
    expect(labels).toContainEqual('partition.ratio: 0.1: 37.5; 0.3: 62.5; 0.5: 87.5; static 50.0');
    expect(select(page, '.legend span').filter((name) => name !== '')).toEqual([
      'granularity entry',
      'granularity filter',
    ]);
  });

  it('draws every seed that can be compared, and its mean', () => {
    const [differences] = /<svg role="img" aria-label="Differences[^]*?<\/svg>/.exec(page)!;
    // static 2, ratio 2 + 1, grid 2 + 2; the base is the line.
    expect(differences.match(/<circle /g)).toHaveLength(9 + 5);
    expect(differences).toContain('0.1, seed 2: −25.00');
  });

  it('escapes what comes from a recipe', () => {
    const [first, ...others] = ablationPlan.sweeps;
    const point = { values: ['<b>"&'], variant: 'base' };
    const odd = { ...results, plan: { ...ablationPlan, sweeps: [{ ...first!, points: [point] }, ...others] } };
    const oddPage = contentOf('page', odd, '<i>.yaml');
    expect(oddPage).not.toMatch(/<b>"&|<i>\.yaml/);
    expect(select(oddPage, '.sweep tbody th')).toContain('<b>"&');
  });

  it('is there before anything has finished', () => {
    const early = contentOf('page', ablationResults({}));
    expect(select(early, '.empty')).toEqual([
      'Nothing can be compared yet.',
      'No run of it has finished yet.',
      'No run of it has finished yet.',
    ]);
  });
});
