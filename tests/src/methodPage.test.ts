/** `docs/method.md` is what the code cites: sections, equations and the files that compute them exist, both ways. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectFiles, root } from './projectFiles.js';

const text = readFileSync(join(root, 'docs/method.md'), 'utf8');

/** Section number → its text. */
const sections = new Map(
  text
    .split(/^## (?=\d+\. )/m)
    .slice(1)
    .map((section) => [Number(/^\d+/.exec(section)![0]), section]),
);

/** `method.md §1, §2`, `method.md §1 and §2` → 1, 2 */
function citedSections(file: string): number[] {
  // Comments break lines anywhere.
  const joined = readFileSync(join(root, file), 'utf8').replace(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
  return [...joined.matchAll(/method\.md[`)]?(?: (§\d+(?:(?:, | and )§\d+)*))?/g)].flatMap(([, list]) =>
    Array.from(list?.matchAll(/\d+/g) ?? [], ([number]) => Number(number)),
  );
}

/** Sources that a section says compute its equations, from the root. */
function namedFiles(section: string): string[] {
  return [...section.matchAll(/\]\(\.\.\/(packages\/[^)]+)\)/g)].map(([, path]) => normalize(path!));
}

describe('docs/method.md', () => {
  it('has sections from 1 on, without a gap', () => {
    expect([...sections.keys()]).toEqual(Array.from({ length: sections.size }, (_, index) => index + 1));
    expect(sections.size).toBe(6);
  });

  const citing = projectFiles(/\.(ts|cc|h|md|py|yaml)$/)
    .filter((file) => file !== 'docs/method.md' && !file.startsWith('tests/src/methodPage'))
    .map((file) => ({ file, cited: citedSections(file) }))
    .filter(({ cited }) => cited.length > 0);

  it('has every section that is cited', () => {
    expect(citing.length).toBeGreaterThan(45);
    const missing = citing.filter(({ cited }) => cited.some((number) => !sections.has(number)));
    expect(missing).toEqual([]);
  });

  it('names files that exist, and cite the section that names them', () => {
    const cited = new Map(citing.map((each) => [each.file, new Set(each.cited)]));
    for (const [number, section] of sections) {
      for (const file of namedFiles(section)) {
        expect(existsSync(join(root, file)), file).toBe(true);
        expect(cited.get(file) ?? new Set(), `${file} cites §${number}`).toContain(number);
      }
    }
  });

  it('numbers its equations in order, and names a file after the last of each section', () => {
    for (const [number, section] of sections) {
      const equations = [...section.matchAll(/^ {4,6}\S.*\((\d+\.\d+)\)$/gm)];
      const numbers = equations.map(([, label]) => label);
      expect(numbers).toEqual(Array.from(numbers, (_, index) => `${number}.${index + 1}`));
      const [last] = equations.slice(-1);
      if (last) expect(namedFiles(section.slice(last.index)), `after (${last[1]!})`).not.toEqual([]);
    }
  });

  it('names files after every paragraph of equations', () => {
    // A paragraph of equations is indented; what computes it follows, at the latest after the one that it is explained
    // with.
    const paragraphs = text.split(/\n{2,}/);
    const isEquation = (paragraph: string | undefined): boolean => /^ {4,6}\S.*\(\d+\.\d+\)$/m.test(paragraph ?? '');
    const unnamed = paragraphs.filter((paragraph, index) => {
      if (!isEquation(paragraph)) return false;
      const rest = paragraphs.slice(index + 1);
      const end = rest.findIndex((next) => /^(#|\*\*)/.test(next));
      return namedFiles(rest.slice(0, end === -1 ? undefined : end).join('\n\n')).length === 0;
    });
    expect(unnamed).toEqual([]);
  });

  it.each([
    ['θ(x)', 'partial/partialParameter.ts', 'partialParameter'],
    ['λ_d and λ_s', 'partial/scaleFactors.ts', 'scaleFactors'],
    ['attention', 'dynamic/kernelAttention.ts', 'KernelAttention'],
    ['temperature', 'dynamic/temperature.ts', 'annealedTemperature'],
    ['noisy top-k', 'dynamic/noisyTopK.ts', 'NoisyTopK'],
    ['auxiliary loss', 'dynamic/noisyTopK.ts', 'auxiliaryLoss'],
    ['saliency', 'partition/saliency/saliency.ts', 'maskGradient'],
    ['κ_t', 'partition/schedule.ts', 'keepRatio'],
    ['threshold', 'partition/selectDynamic.ts', 'selectDynamic'],
    ['stored numbers', 'partial/partialParameter.ts', 'storedNumbers'],
  ])('links %s once, to what is exported for it', (_, path, name) => {
    const file = `packages/padnet/src/${path}`;
    const link = `\`${name}\` in [\`${basename(path)}\`](../${file})`;
    expect(text.replaceAll(/\s+/g, ' ').split(link), link).toHaveLength(2);
    const source = readFileSync(join(root, file), 'utf8');
    expect(source).toMatch(new RegExp(`^export (?:const|class|function) ${name}\\b`, 'm'));
  });
});
