/** Pieces that the harness of the documentation's commands (`npm run test:docs`) relies on; it runs them by itself. */
import { describe, expect, it } from 'vitest';
import { pages } from '../projectFiles.js';
import { blocksOf, languages, shellText } from './blocks.js';
import { substitutions } from './substitutions.js';
import { tinyBench, tinyCommand } from './tinyCommand.js';

describe('the blocks of the documentation', () => {
  it.each(pages)('%s says of each block what it is, and of one that is not run why', (page) => {
    for (const { language, line, excuse, text } of blocksOf(page)) {
      expect(languages, `${page}:${line}`).toContain(language);
      if (excuse !== null) expect(excuse, `${page}:${line}`).toMatch(/\w+ \w+/);
      // A line that looks like a command is one.
      if (language === 'text') expect(text, `${page}:${line}`).not.toMatch(/^(\$ |npx |padnet [a-z]+ |make [a-z])/m);
    }
  });

  it('are few that are not run', () => {
    const excused = pages.flatMap(blocksOf).filter(({ excuse }) => excuse !== null);
    const others = excused.filter(({ page }) => !page.includes('results/studies/')); // which take hours, all of them
    expect(others.map(({ page }) => page).length).toBeLessThan(10); // clusters, other systems
  });

  it('have what is put in the place of something', () => {
    for (const { page, from } of substitutions)
      expect(blocksOf(page).filter(({ text }) => text.includes(from))).toHaveLength(1);
  });

  it('are commands without what they print', () => {
    const block = {
      page: 'x.md',
      line: 1,
      language: 'console',
      text: '$ padnet models\na  b\n$ padnet doctor',
      before: '',
      excuse: null,
    };
    expect(shellText(block)).toBe('padnet models\npadnet doctor');
  });
});

describe('tinyCommand', () => {
  it.each([
    ['glue --tasks rte,cola --seeds 1,2,3 --out x', /^glue --tasks rte --seeds 1 --out x --set data\.trainLimit=16 /],
    ['inspect runs/pad30 --plan', /^inspect runs\/pad30 --plan$/],
    ['train --resume runs/pad30', /^train --resume runs\/pad30$/],
    ['launch --nproc 2 -- train --resume runs/pad30', /^launch --nproc 2 -- train --resume runs\/pad30$/],
  ])('keeps the options of %s', (command, expected) => {
    expect(tinyCommand(command.split(' ')).join(' ')).toMatch(expected);
  });

  it('keeps the options of a measurement', () => {
    expect(tinyBench('step --model mobilenetV2 --size 224'.split(' ')).join(' ')).toMatch(
      /^step --model mobilenetV2 --size 224 --size 32 .*--width 0\.25 .*--no-python$/,
    );
  });
});
