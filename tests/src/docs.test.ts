/** The documentation says what the code does: every key of a recipe, and no link into nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { convolutionPlans, granularities, layerKinds, modalities, recipeSchemas, saliencies } from 'padnet';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { drawArchitecture, importsByFolder, picture, storeys } from './docs/architecture.js';
import { pages, projectFiles, root } from './projectFiles.js';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

function keysOf(schema: JsonSchema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
    inner.properties ? keysOf(inner, `${prefix}${name}.`) : [`${prefix}${name}`],
  );
}

describe('the documentation', () => {
  it('lists exactly the keys of a recipe', () => {
    const text = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
    const documented = [...text.matchAll(/`((?:model|data|training|partition)(?:\.\w+)+)`/g)].map((match) => match[1]);
    const keys = Object.values(recipeSchemas)
      .flatMap((schema) => keysOf(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema))
      .filter((key) => key !== 'modality');
    expect(keys.length).toBeGreaterThan(70);
    expect([...new Set(documented)].sort()).toEqual([...new Set(keys)].sort());
  });

  it('lists exactly the kinds of layers, for each modality', () => {
    const text = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
    const rows = text.match(/^\| `model\.layer` .*$/gm) ?? [];
    const named = rows.map((row) => new Set(Array.from(row.matchAll(/`(\w+)`/g), ([, name]) => name)));
    expect(named).toEqual(modalities.map(() => new Set(layerKinds)));
  });

  it.each([
    ['dynamic-layers.md', 'the plans of a convolution', convolutionPlans, /^\| `(\w+)` +\|/gm, '## How it is computed'],
    ['performance.md', 'the plans of a convolution', convolutionPlans, /^\| `(\w+)` +\|/gm, '## How a plan is chosen'],
    ['partition.md', 'the scores', Object.keys(saliencies), /^\| `(\w+)` +\|/gm, '## Scores'],
    ['partition.md', 'the granularities', granularities, /^\| `(\w+)` +\|/gm, '## Units'],
  ] as const)('docs/%s lists exactly %s', (page, _what, names, row, heading) => {
    const text = readFileSync(join(root, 'docs', page), 'utf8');
    const section = text.slice(text.indexOf(heading) + heading.length).split(/^## /m)[0]!;
    const rows = section.split(/^\| :?-+.*$/m)[1]!;
    expect([...rows.matchAll(row)].map(([, name]) => name).sort()).toEqual([...names].sort());
  });

  it.each(['README.md', ...pages.filter((page) => /^docs\/results\/(?!performance|studies)/.test(page))])(
    '%s says that two learning rates were compared, before any score that they explain',
    (page) => {
      const text = readFileSync(join(root, page), 'utf8');
      const note = text.search(/76\.95 and 77\.06 %[^]{0,300}method\.md#6-two-learning-rates/);
      expect(note).toBeGreaterThan(0);
      if (page !== 'README.md') expect(text.slice(0, note)).not.toContain('##');
      const others = text.split('\n\n').filter((paragraph) => !paragraph.includes('76.95 and 77.06'));
      expect(others.join('\n\n')).not.toMatch(/(?<!Neither |not )(better than|beats?) (the )?\W?static/);
    },
  );

  it('and what it documents name no folder that lies beside the repository', () => {
    const files = projectFiles(/\.(ts|cc|h|yaml|md|sh)$/).filter((file) => !/^tests|\.test\./.test(file));
    expect(files.length).toBeGreaterThan(400);
    expect(files.filter((file) => readFileSync(join(root, file), 'utf8').includes('../shared'))).toEqual([]);
  });

  /** As GitHub names the headings of a page. */
  const anchors = (page: string): string[] =>
    Array.from(readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm), ([, heading]) =>
      heading!
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    );

  it.each(pages)('%s has no link to a file or section that is not there', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)].filter(([, file]) => !/^https?:/.test(file!));
    const broken = links.filter(([, file, anchor]) => {
      const target = file === '' ? join(root, page) : join(root, dirname(page), file!);
      return !existsSync(target) || (anchor !== undefined && !anchors(target).includes(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it('draws the imports between folders as they are, and says what each folder is', async () => {
    const folders = [...importsByFolder().keys()].sort();
    expect(storeys.flatMap((storey) => Object.keys(storey.folders)).sort()).toEqual(folders);
    const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    expect(folders.filter((folder) => !page.includes(`| \`${folder}/\``))).toEqual([]);
    expect(readFileSync(picture, 'utf8'), 'run `npm run architecture`').toBe(await drawArchitecture());
  });
});
