/** The parts of a report that differ for texts. */
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { compareRuns, summarySentence } from '../comparison.js';
import { htmlReport } from './comparisonPage.js';
import { networkFacts } from '../../analysis/networkFacts.js';
import { textRecipe, textRun, threeRuns, threeTextRuns } from '../../analysis/runs.test.fixture.js';
import { comparisonText } from '../comparisonTable.js';

const date = new Date('2026-01-02T03:04:05Z');

interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
}

function elements(page: string, selector: string): Element[] {
  const { document } = parseHTML(page) as { readonly document: { querySelectorAll(of: string): Iterable<Element> } };
  return [...document.querySelectorAll(selector)];
}

function textOf(page: string, selector: string): string[] {
  return elements(page, selector).map(({ textContent }) => textContent.replace(/\s+/g, ' ').trim());
}

describe('a comparison of runs on texts', () => {
  it('writes a correlation times 100, without an interval, and compares with static and MoE', () => {
    const { columns, notes } = compareRuns(threeTextRuns());
    const [score, , , macs, stepTime] = columns;
    expect(score!.title).toBe('Test Matthews correlation (× 100)');
    expect(score!.cells.map(({ text, detail, best }) => [text, detail, best])).toEqual([
      ['−2.00', null, false],
      ['25.00', null, false],
      ['50.00', null, true],
    ]);
    expect(score!.cells.map(({ toStatic, toDynamic }) => [toStatic, toDynamic])).toEqual([
      [null, null],
      ['+27.00', null],
      ['+52.00', '+25.00'],
    ]);
    expect(macs!.title).toBe('MACs for 128 tokens');
    expect(stepTime!.cells[0]!.detail).toBe('320 sentences/s');
    expect(notes.join(' ')).not.toContain('uncertain');
    expect(summarySentence(threeTextRuns())).toBe(
      'With 50.0 % of its entries dynamic, cola-partial stores 30.0 M numbers (75 % of cola-dynamic). It reaches ' +
        '50.00 test Matthews correlation (× 100): +25.00 points against cola-dynamic (25.00), +52.00 points ' +
        'against cola-static (−2.00).',
    );
  });

  it('gives the interval of an accuracy, and the parts of a mean', () => {
    const accuracy = { metric: 'accuracy', testScore: 0.6, testMetrics: { accuracy: 0.6 } };
    const rte = compareRuns([textRun({ layer: 'static', task: 'rte', result: accuracy, parameters: 1 })]);
    expect(rte.columns[0]).toMatchObject({ title: 'Test accuracy', cells: [{ text: '60.00 %', detail: '± 5.77' }] });
    expect(rte.notes[0]).toMatch(/^277 test sentences leave an accuracy uncertain by ± 5\.77 points/);

    const mean = { metric: 'f1/accuracy', testScore: 0.75, testMetrics: { f1: 0.8, accuracy: 0.7 } };
    const mrpc = compareRuns([textRun({ layer: 'static', task: 'mrpc', result: mean, parameters: 1 })]);
    expect(mrpc.columns[0]).toMatchObject({
      title: 'Test F1/accuracy',
      cells: [{ text: '75.00 %', detail: 'F1 80.00 %, accuracy 70.00 %' }],
    });
    expect(mrpc.notes).toContain('A score of two metrics is their mean, as GLUE counts a task.');
  });

  it('compares no scores of other tasks, and nothing with networks from scratch', () => {
    const [still, mixed] = threeTextRuns();
    const other = textRun({
      layer: 'dynamic',
      task: 'rte',
      result: { metric: 'accuracy', testScore: 0.6, testMetrics: { accuracy: 0.6 } },
      parameters: 1,
    });
    const tasks = compareRuns([still, other]);
    expect(tasks.columns[0]!.title).toBe('Test score (× 100)');
    expect(tasks.columns[0]!.cells).toEqual([
      { text: '−2.00', detail: 'Matthews correlation', best: false, toStatic: null, toDynamic: null },
      { text: '60.00 %', detail: 'accuracy ± 5.77', best: false, toStatic: null, toDynamic: null },
    ]);
    const recipe = textRecipe('dynamic', { task: 'cola', model: { fromScratch: true } });
    const fresh = { ...mixed, model: recipe.model, recipe };
    expect(compareRuns([still, fresh]).columns[1]!.cells[1]!.toStatic).toBeNull();
  });

  it('names settings of experts only where runs that have experts differ', () => {
    const [still, mixed, partial] = threeTextRuns();
    expect(compareRuns([still, mixed, partial]).notes.join(' ')).not.toContain('Settings');
    const more = { ...mixed, recipe: textRecipe('dynamic', { task: 'cola', model: { numExperts: 8, k: 2 } }) };
    expect(compareRuns([still, more, partial]).notes.at(-1)).toBe(
      'Settings that differ as well: model.numExperts –, 8, 2; model.k –, 2, 1.',
    );
  });

  it('stands beside runs on pictures without comparing', () => {
    const [picture] = threeRuns();
    const [, mixed] = threeTextRuns();
    const { columns } = compareRuns([picture, mixed]);
    expect(columns.map(({ title }) => title)).toEqual(
      expect.arrayContaining(['Test score (× 100)', 'MACs for a sample']),
    );
    expect(columns.flatMap(({ cells }) => cells.map(({ toStatic }) => toStatic))).toEqual(Array(14).fill(null));
    expect(comparisonText([picture, mixed])).toContain('MoE');
  });

  it('names the network by family, weights and size', () => {
    const [still] = threeTextRuns();
    expect(still.network).toEqual({ name: 'BERT', text: 'BERT (mini/model), 6 layers, 384 wide' });
    const fresh = textRecipe('static', { model: { pretrained: 'bert-base-uncased', fromScratch: true } });
    expect(networkFacts(fresh, null)).toEqual({
      name: 'bert-base-uncased',
      text: 'shape of bert-base-uncased, from scratch',
    });
  });
});

describe('the report page of runs on texts', () => {
  const page = htmlReport(threeTextRuns(), { date });

  it('has sections on experts and routers', () => {
    expect(textOf(page, 'h1')).toEqual(['BERT on CoLA']);
    expect(textOf(page, 'h2')).toEqual([
      'The runs side by side',
      'Learning curves',
      'Where it stays dynamic, and what that stores',
      'How evenly the experts are used',
      'Which tokens go where',
      'Router entropy over training',
    ]);
    expect(textOf(page, 'tbody th small').slice(0, 3)).toEqual([
      'static',
      'MoE, 1 of 2 experts',
      'PAD-Net, 1 of 2 experts',
    ]);
    expect(page).toContain('mixtures of experts (Shazeer et al. 2017');
    expect(page).not.toMatch(/pictures|DY-Conv/);
  });

  it('draws the load of every layer and the entropies', () => {
    const labels = elements(page, 'svg').map((svg) => svg.getAttribute('aria-label'));
    expect(labels).toContain('Dynamic ratio by layer: 5 intermediate 50 %, 5 output 50 %; overall 50.0 %');
    expect(labels).toContain(
      'Share of the gates by layer and expert: 5 intermediate 50 50 %, evenness 1.00; 5 output 90 10 %, evenness 0.47',
    );
    expect(labels).toContain(
      'Entropy of a token’s gates during training; at the end: cola-dynamic 0.75, cola-partial 0.75',
    );
    expect(labels).toContain(
      'Entropy of the experts’ load during training; at the end: cola-dynamic 0.50, cola-partial 0.50',
    );
  });

  it('lists the tokens that are typical of each expert, escaped', () => {
    expect(textOf(page, '.tokens tr').slice(0, 4)).toEqual([
      '0 50 % cat× 2.0',
      '1 50 % ##s× 1.5',
      '0 90 % none',
      '1 10 % <b>× 9.5',
    ]);
    expect(page).not.toContain('<b>×');
    expect(page).toContain('&lt;b&gt;');
  });

  it('leaves the sections out where no run has experts', () => {
    const [still] = threeTextRuns();
    expect(textOf(htmlReport([still], { date }), 'h2')).toHaveLength(3);
  });
});
