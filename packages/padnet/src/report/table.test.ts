import { describe, expect, it } from 'vitest';
import { alignGrid } from './grid.js';
import { threeRuns } from '../analysis/runs.test.fixture.js';
import { comparisonMarkdown, comparisonText } from './comparisonTable.js';
import { htmlTable, markdownTable, textTable, type Table } from './table.js';

interface Row {
  readonly name: string;
  readonly score: number | null;
}

const table: Table<Row> = {
  title: 'Scores <all>',
  columns: [
    { heading: 'run', isName: true, cell: ({ name }) => ({ text: name, colour: 'var(--run-1)' }) },
    {
      heading: 'score',
      detail: '%',
      cell: ({ score }) => (score === null ? undefined : { text: String(score), details: ['± 1'], best: score === 9 }),
    },
  ],
  rows: [
    { name: 'a|*b', score: 9 },
    { name: '<c>', score: null },
  ],
};

describe('a table', () => {
  it('is aligned text, with a star behind the best where asked for', () => {
    expect(textTable(table)).toBe('run   score %\n────  ───────\na|*b    9 ± 1\n<c>');
    expect(textTable(table, { best: true }).split('\n')[2]).toBe('a|*b    9 ± 1 *');
  });

  it('is Markdown, escaped, with the best in bold where asked for', () => {
    expect(markdownTable(table).split('\n')).toEqual([
      '| run | score % |',
      '| :-- | --: |',
      '| a\\|\\*b | 9 ± 1 |',
      '| <c> |  |',
    ]);
    expect(markdownTable(table, { best: true })).toContain('| **9 ± 1** |');
  });

  it('is HTML, escaped, with the best in bold', () => {
    const text = String(htmlTable(table)).replace(/\s+/g, ' ');
    expect(text).toContain('aria-label="Scores &lt;all&gt;"');
    expect(text).toContain('<span class="swatch" style="--c:var(--run-1)"></span>&lt;c&gt;');
    expect(text).toContain('<td><b title="best">9</b><small>± 1</small></td>');
    expect(text).toContain('<td></td>');
    expect(String(htmlTable(table, 'compact'))).toContain('class="compact"');
  });
});

describe('a comparison', () => {
  it('aligns columns by characters', () => {
    const grid = {
      heading: ['run', 'κ'],
      rows: [
        ['a', '0.5'],
        ['long 𝒙', '1'],
      ],
      leftColumns: 1,
    };
    expect(alignGrid(grid)).toBe('run       κ\n──────  ───\na       0.5\nlong 𝒙    1');
  });

  it('has a column for each run', () => {
    const lines = comparisonText(threeRuns()).split('\n');
    expect(lines[0]).toMatch(/^run +plain +mixed +partial$/);
    expect(lines[3]).toMatch(/^Test accuracy +90\.00 % +91\.00 % +92\.00 % \*$/);
    expect(lines.find((line) => line.startsWith('Stored'))).toMatch(/^Stored numbers +1\.00 M \* +4\.00 M +2\.00 M$/);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}times dynamic +– +– +0\.500$/));
    expect(lines).toContain('* best');
  });

  it('writes Markdown, escaping what would break it', () => {
    const [plain, ...others] = threeRuns();
    const lines = comparisonMarkdown([{ ...plain, name: 'a|b' }, ...others]).split('\n');
    expect(lines[0]).toBe('| run | a\\|b | mixed | partial |');
    expect(lines[1]).toBe('| :-- | --: | --: | --: |');
    expect(lines).toContain('| Test accuracy | 90.00 % | 91.00 % | **92.00 %** |');
  });
});
