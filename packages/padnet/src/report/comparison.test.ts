import { describe, expect, it } from 'vitest';
import { compareRuns, summarySentence, type Comparison } from './comparison.js';
import { recipe, threeRuns } from '../analysis/runs.test.fixture.js';
import { accuracyInterval } from './scoreText.js';

function texts({ columns }: Comparison, title: string): string[] {
  return columns.find((column) => column.title === title)!.cells.map(({ text, best }) => text + (best ? '!' : ''));
}

function relatives({ columns }: Comparison, title: string, key: 'toStatic' | 'toDynamic'): (string | null)[] {
  return columns.find((column) => column.title === title)!.cells.map((cell) => cell[key]);
}

describe('compareRuns', () => {
  it('shows the values and marks the best', () => {
    const comparison = compareRuns(threeRuns());
    expect(texts(comparison, 'Test accuracy')).toEqual(['90.00 %', '91.00 %', '92.00 %!']);
    expect(texts(comparison, 'Stored numbers')).toEqual(['1.00 M!', '4.00 M', '2.00 M']);
    expect(texts(comparison, 'Dynamic ratio κ')).toEqual(['0.0 %', '100.0 %', '30.0 %']);
    expect(texts(comparison, 'MACs a picture')).toEqual(['50.0 M!', '60.0 M', '60.0 M']);
    expect(texts(comparison, 'Training step')).toEqual(['100 ms!', '200 ms', '150 ms']);
    expect(texts(comparison, 'Peak memory')).toEqual(['1.00 GB!', '2.00 GB', '1.50 GB']);
  });

  it('relates dynamic runs to the static one and the partial one to both', () => {
    const comparison = compareRuns(threeRuns());
    expect(relatives(comparison, 'Stored numbers', 'toStatic')).toEqual([null, '4.00', '2.00']);
    expect(relatives(comparison, 'Stored numbers', 'toDynamic')).toEqual([null, null, '0.500']);
    expect(relatives(comparison, 'Test accuracy', 'toStatic')).toEqual([null, '+1.00', '+2.00']);
    expect(relatives(comparison, 'Training step', 'toDynamic')).toEqual([null, null, '0.750']);
  });

  it('marks all that look the same', () => {
    const [plain, mixed, partial] = threeRuns();
    const comparison = compareRuns([plain, { ...mixed, score: 0.92001 }, partial]);
    expect(texts(comparison, 'Test accuracy')).toEqual(['90.00 %', '92.00 %!', '92.00 %!']);
  });

  it('compares neither times of different machines, nor accuracies of different tests, nor other networks', () => {
    const [plain, mixed, partial] = threeRuns();
    const elsewhere = { ...mixed, environment: { machine: 'Other CPU', threads: 2, commit: null } };
    const moved = compareRuns([plain, elsewhere]);
    expect(relatives(moved, 'Training step', 'toStatic')).toEqual([null, null]);
    expect(texts(moved, 'Training step')).toEqual(['100 ms', '200 ms']);
    expect(relatives(moved, 'Stored numbers', 'toStatic')).toEqual([null, '4.00']);
    expect(moved.notes.join()).toContain('different machines');

    const base = recipe('dynamic');
    const fewer = { ...mixed, recipe: { ...base, data: { ...base.data, testLimit: 100 } } };
    expect(relatives(compareRuns([plain, fewer]), 'Test accuracy', 'toStatic')).toEqual([null, null]);
    expect(compareRuns([plain, fewer]).notes.join()).toContain('data.testLimit –, 100');
    const lit = { ...mixed, recipe: { ...base, data: { ...base.data, domains: { seed: 1 } } } };
    expect(relatives(compareRuns([plain, lit]), 'Test accuracy', 'toStatic')).toEqual([null, null]);
    expect(compareRuns([plain, lit]).notes.join()).toContain('data.domains.seed –, 1');

    const pad = recipe('partial');
    const model = { ...pad.model, name: 'resnet18' as const };
    const deeper = { ...partial, model, recipe: { ...pad, model } };
    expect(relatives(compareRuns([plain, deeper]), 'Stored numbers', 'toStatic')).toEqual([null, null]);
  });

  it('says where a bank starts with less than a static network', () => {
    const [plain, mixed] = threeRuns();
    const note = 'points to static are not what dynamic layers gain (docs/method.md §6)';
    expect(compareRuns([plain, mixed]).notes.join()).not.toContain(note);
    const base = recipe('dynamic');
    const former = { ...mixed, recipe: { ...base, model: { ...base.model, initialScale: 'perKernel' as const } } };
    expect(compareRuns([plain, former]).notes.join()).toContain(note);
    expect(compareRuns([mixed, former]).notes.join()).not.toContain(note);
  });

  it('says what is not finished, and what else differs', () => {
    const [plain, mixed] = threeRuns();
    const comparison = compareRuns([
      plain,
      { ...mixed, finished: false, recipe: recipe('dynamic', { epochs: 5, seed: 7 }) },
    ]);
    expect(comparison.notes.join()).toContain('Not finished, so not compared by accuracy: mixed.');
    expect(comparison.notes.join()).toContain('training.epochs 2, 5; training.seed 1, 7');
    expect(comparison.columns[0]!.cells[1]!.detail).toBe('after 2 of 5 epochs');
  });

  it('names the uncertainty of an accuracy', () => {
    expect(accuracyInterval(0.9, 10_000)).toBeCloseTo(1.96 * 0.003, 12);
    expect(compareRuns(threeRuns()).columns[0]!.cells[0]!.detail).toBe('± 0.59');
  });

  it('sums up in sentences, only where there is something to compare', () => {
    const [plain, mixed, partial] = threeRuns();
    expect(summarySentence([plain, mixed, partial])).toBe(
      'With 30.0 % of its entries dynamic, partial stores 2.00 M numbers (50 % of mixed). It reaches 92.00 % test ' +
        'accuracy: +1.00 points against mixed (91.00 %), +2.00 points against plain (90.00 %). This test set cannot ' +
        'tell differences below about 0.8 points from chance.',
    );
    expect(summarySentence([plain, mixed])).toBeNull();
    expect(summarySentence([partial])).toBeNull();
  });
});
