import { describe, expect, it } from 'vitest';
import { alignGrid } from './grid.js';
import { threeRuns } from '../analysis/runs.test.fixture.js';
import { markdownTable, textTable } from './textTable.js';

describe('text tables', () => {
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
    const lines = textTable(threeRuns()).split('\n');
    expect(lines[0]).toMatch(/^run +plain +mixed +partial$/);
    expect(lines[3]).toMatch(/^Test accuracy +90\.00 % +91\.00 % +92\.00 % \*$/);
    expect(lines.find((line) => line.startsWith('Stored'))).toMatch(/^Stored numbers +1\.00 M \* +4\.00 M +2\.00 M$/);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}times dynamic +– +– +0\.500$/));
    expect(lines).toContain('* best');
  });

  it('writes Markdown, escaping what would break it', () => {
    const [plain, ...others] = threeRuns();
    const lines = markdownTable([{ ...plain, name: 'a|b' }, ...others]).split('\n');
    expect(lines[0]).toBe('| run | a\\|b | mixed | partial |');
    expect(lines[1]).toBe('| :-- | --: | --: | --: |');
    expect(lines).toContain('| Test accuracy | 90.00 % | 91.00 % | **92.00 %** |');
  });
});
