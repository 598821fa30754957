import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { htmlReport } from './comparisonPage.js';
import type { PictureRecipe } from '../../recipe/recipe.js';
import { threeRuns } from '../../analysis/runs.test.fixture.js';
import { comparisonText } from '../comparisonTable.js';

const date = new Date('2026-01-02T03:04:05Z');

interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
}
interface Page {
  querySelectorAll(selector: string): Iterable<Element>;
}

function parse(text: string): Page {
  return (parseHTML(text) as { readonly document: Page }).document;
}

function textOf(page: Page, selector: string): string[] {
  return Array.from(page.querySelectorAll(selector), ({ textContent }) => textContent.replace(/\s+/g, ' ').trim());
}

/** Opening and closing tags must match as in XML; of void elements only these are used. */
function expectWellFormed(text: string): void {
  const open: string[] = [];
  const withoutStyles = text.replace(/<style>[^<]*<\/style>/g, '');
  for (const [, closing, name = '', selfClosing] of withoutStyles.matchAll(
    /<(\/?)([a-zA-Z]+)(?:"[^"]*"|[^">])*?(\/?)>/g,
  )) {
    if (closing === '/') expect(open.pop()).toBe(name);
    else if (selfClosing !== '/' && !['meta', 'img'].includes(name)) open.push(name);
  }
  expect(open).toEqual([]);
}

describe('htmlReport', () => {
  const text = htmlReport(threeRuns(), { date, command: 'padnet compare a b c' });
  const page = parse(text);

  it('is one well-formed page that loads nothing', () => {
    expect(text.startsWith('<!doctype html>\n')).toBe(true);
    expectWellFormed(text);
    expect(text.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:|<script|<link|@import|url\(/);
    for (const image of page.querySelectorAll('img'))
      expect(image.getAttribute('src')).toMatch(/^data:image\/png;base64,/);
  });

  it('shows the numbers of every run in a table', () => {
    expect(textOf(page, 'thead th')).toContain('Stored numbers');
    const values = ['90.00 %', '1.00 M', '0.0 %', '50.0 M', '100 ms', '1.00 GB', '1 min 0 s'];
    expect(textOf(page, 'tbody tr:nth-of-type(1) .value, tbody tr:nth-of-type(1) b').slice(0, 7)).toEqual(values);
    expect(textOf(page, 'main > section:nth-of-type(1) tbody tr:nth-of-type(3) > *')).toEqual([
      'partialPAD-Net, K = 4',
      '92.00 %± 0.53+2.00 vs static+1.00 vs dynamic',
      '2.00 M+ 625 B of mask2.00 × static0.500 × dynamic',
      '30.0 %',
      '60.0 M1.20 × static1.00 × dynamic',
      '150 ms667 pictures/s1.50 × static0.750 × dynamic',
      '1.50 GB1.50 × static0.750 × dynamic',
      '1 min 30 s2 epochs',
    ]);
    expect(textOf(page, 'td b')).toEqual(['1.00 M', '50.0 M', '100 ms', '1.00 GB', '92.00 %']);
  });

  it('says what was compared, where and when', () => {
    expect(textOf(page, 'h1')).toEqual(['ResNet-10 on Fashion-MNIST']);
    expect(textOf(page, 'dd')).toEqual([
      'Fashion-MNIST',
      'ResNet-10, imagenet stem',
      '2 epochs, batch 128, sgd, seed 1',
      'Test CPU, 2 threads',
      '0123456789ab',
      '2026-01-02 03:04 UTC',
    ]);
    expect(textOf(page, 'footer code')).toEqual(['padnet compare a b c']);
  });

  it('draws curves, ratios and coefficients, every figure with a caption', () => {
    expect(textOf(page, 'figcaption')).toEqual([
      'Test accuracy by epoch',
      'Loss by epoch',
      'Accuracy against stored numbers',
      'partial: dynamic ratio by layer',
      'partial: filters that stayed dynamic',
      ...['layer1.0.conv1', 'layer1.0.conv1'],
      ...['cat taken for dog, 88 %', 'cat taken for dog, 88 %'],
    ]);
    const drawn = textOf(page, 'svg text');
    for (const label of [
      'partial 92.0 %',
      'mixed 91.0 %',
      'plain 90.0 %',
      'κ = 30.0 % overall',
      '70 %',
      '20 %',
      '4.00 k',
      '0.63',
    ]) {
      expect(drawn).toContain(label);
    }
    expect(Array.from(page.querySelectorAll('svg'), (svg) => svg.getAttribute('aria-label'))).toEqual([
      'Test accuracy by epoch; at the end: plain 90.0 %, mixed 91.0 %, partial 92.0 %',
      'Loss by epoch; at the end: plain 0.500, mixed 0.500, partial 0.500',
      'Test accuracy against stored numbers: plain: 90.00 % with 1.00 M numbers, mixed: 91.00 % with 4.00 M numbers, ' +
        'partial: 92.00 % with 2.00 M numbers',
      'Dynamic ratio by layer: layer1.0.conv1 70 %, layer4.0.conv2 20 %; overall 30.0 %',
      'Filters with dynamic entries by layer: layer1.0.conv1 1 of 1, layer4.0.conv2 1 of 2',
      ...Array<string>(2).fill('Mean coefficients by class and kernel: cat 0.25 0.75, dog 0.63 0.38'),
      ...Array<string>(2).fill('Coefficients of one picture: 2 layers, 2 kernels'),
    ]);
  });

  it('says which routers are dead, in a sentence and in the table of all', () => {
    const [plain, mixed, partial] = threeRuns();
    const alive = { path: 'layer4.0.conv2', variation: 0.125, dead: null, unusedExperts: [] };
    const dead = { path: 'layer1.0.conv1', variation: 0, dead: 'inactive' as const, unusedExperts: [] };
    const runs = [plain, { ...mixed, routers: [dead, alive] }, { ...partial, routers: [alive] }];
    const text = htmlReport(runs, { date });
    expectWellFormed(text);
    const shown = parse(text);
    const sentence =
      'mixed: 1 of 2 routers is dead, so that every input gets the same weights: no hidden unit is ever active ' +
      '(layer1.0.conv1).';
    expect(textOf(shown, '.notes li')).toContain(sentence);
    expect(textOf(shown, 'section > p')).toEqual(
      expect.arrayContaining([sentence, 'partial: None of 1 router is dead.']),
    );
    expect(textOf(shown, '[aria-label="All routers"] tbody tr')).toEqual([
      'layer1.0.conv1 0.0 %dead: no hidden unit is ever active',
      'layer4.0.conv2 12.5 %12.5 %',
    ]);
    expect(comparisonText(runs)).toContain(sentence);
    expect(comparisonText([plain, partial])).not.toContain('dead');
  });

  it('names folders of the machine by what tells them apart', () => {
    const at = (folder: string) => (run: ReturnType<typeof threeRuns>[number]) => {
      const { model, data, partition, ...rest } = run.recipe as PictureRecipe;
      const recipe: PictureRecipe = {
        ...rest,
        model: { ...model, pretrained: `/home/user/${folder}/weights.pth` },
        data: {
          ...data,
          name: 'imageFolder',
          path: `/home/user/${folder}/photos`,
          classIndex: `/home/user/${folder}/classes.json`,
        },
        partition: partition && { ...partition, masks: `/home/user/${folder}/masks.safetensors` },
      };
      return { ...run, recipe };
    };
    const [plain, mixed, partial] = threeRuns();
    const page = htmlReport([at('a')(plain), at('a')(mixed), at('b')(partial)], { date });
    expect(textOf(parse(page), 'h1')).toEqual(['ResNet-10 on photos']);
    expect(page).toContain('data.path a/photos, a/photos, b/photos');
    expect(page).not.toContain('/home/user');
  });

  it('names the convolutions, and the score that masks were decided by', () => {
    const [, mixed, partial] = threeRuns();
    const model = { ...(mixed.recipe as PictureRecipe).model, convolution: 'condconv' } as const;
    const condconv = { ...mixed, model, recipe: { ...mixed.recipe, model } as PictureRecipe };
    const partition = { ...partial.recipe!.partition!, saliency: 'snip', scope: 'local' } as const;
    const snip = { ...partial, recipe: { ...partial.recipe!, partition } as PictureRecipe };
    const text = (runs: Parameters<typeof htmlReport>[0]): string =>
      textOf(parse(htmlReport(runs, { date })), 'main').join(' ');
    expect(text([mixed, partial])).toContain(
      'One threshold on the score, the mask gradient |∂L/∂M|, serves all layers',
    );
    expect(text([mixed, snip])).toContain(
      'The score is SNIP |Σₖ Θₖ · ∂L/∂Θₖ|, with a threshold of its own for each layer',
    );
    expect(text([mixed])).toMatch(/DY-Conv, K = 4 .*Coefficients of a row sum to 1 in DY-Conv; .*; DY-Conv \(Chen/);
    expect(text([condconv])).toMatch(
      /CondConv, K = 4 .*In CondConv each coefficient is from 0 to 1.*; CondConv \(Yang/,
    );
    expect(text([condconv])).not.toContain('DY-Conv');
  });

  it("shows ODConv's other attentions by class, of many channels those that differ most", () => {
    const [, , partial] = threeRuns();
    const flat = Array<number>(20).fill(0.5);
    const attentions = [
      { name: 'spatial', means: [flat.slice(0, 9), flat.slice(0, 9)] },
      { name: 'filter', means: [flat.with(16, 0.125), flat.with(3, 0.25)] },
    ] as const;
    const [layer] = partial.coefficients!.layers;
    const coefficients = { ...partial.coefficients!, layers: [{ ...layer!, attentions }] };
    const page = htmlReport([{ ...partial, coefficients }], { date });
    expectWellFormed(page);
    expect(textOf(parse(page), 'h2')).toContain('Where the routers of ODConv look, by class');
    const labels = Array.from(parse(page).querySelectorAll('svg'), (svg) => svg.getAttribute('aria-label') ?? '');
    const shown = labels.filter((label) => label.includes('attention')).map((label) => label.split(': ')[1]);
    expect(shown).toHaveLength(2);
    // Columns 4 and 17 are among the nine.
    expect(shown[1]).toMatch(/^cat 0\.50 .*0\.13, dog .*0\.25/);
  });

  it('leaves out what a run does not have', () => {
    const [plain] = threeRuns();
    const alone = htmlReport([{ ...plain, curve: [], score: null, finished: false }], { date });
    expectWellFormed(alone);
    expect(alone).not.toContain('routers');
    expect(alone).not.toContain('Accuracy against');
    expect(alone).toContain('No epoch has been completed yet');
    expect(() => htmlReport([], { date })).toThrow('at least one run');
  });

  it('draws what there is of a run that diverged', () => {
    const [plain, mixed] = threeRuns();
    const lost = {
      ...plain,
      curve: plain.curve.map((point) => ({ ...point, testLoss: JSON.parse('null') as number })),
    };
    const diverged = htmlReport([lost, mixed], { date });
    expectWellFormed(diverged);
    expect(diverged).not.toMatch(/NaN|null/);
  });

  it('escapes every text of a run', () => {
    const evil = `<img src=x onerror="alert('1')">&amp;`;
    const runs = threeRuns().map((run) => ({
      ...run,
      name: evil,
      environment: { machine: evil, threads: 2, commit: evil },
      layers: run.layers.map((layer) => ({ ...layer, path: evil + layer.path })),
      coefficients: run.coefficients && {
        ...run.coefficients,
        classNames: [evil, evil],
        paths: [evil, evil],
        layers: run.coefficients.layers.map((layer) => ({ ...layer, path: evil })),
      },
    }));
    const page = htmlReport(runs, { date, title: evil, data: evil, command: evil });
    expectWellFormed(page);
    expect(page).not.toContain('<img src=x');
    expect(Array.from(parse(page).querySelectorAll('[onerror]'))).toEqual([]);
    expect(textOf(parse(page), 'h1')).toEqual([evil]);
  });
});
