/**
 * The report in a real browser: Debian's Chromium, offline, wide and narrow, light and dark. Skipped where there is
 * none.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { executablePath } from './chromium.js';
import { tinyRecipe, writePictures } from './padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

const kinds = [
  { kind: 'pictures', names: ['static', 'dyconv', 'pad'], headings: ['What the routers decide, by class'], figures: 4 },
  {
    kind: 'texts',
    names: ['static', 'moe', 'pad'],
    headings: ['How evenly the experts are used', 'Which tokens go where', 'Router entropy over training'],
    figures: 4,
  },
  { kind: 'an ablation', names: ['base', 'static'], headings: ['partition.ratio × partition.scope'], figures: 2 },
] as const;

/** The kind of a network's layers, by the name of the network. */
const layers = { static: 'static', dyconv: 'dynamic', moe: 'dynamic', pad: 'partial' } as const;

/** Five recipes. */
async function ablate(cwd: string, report: string): Promise<void> {
  writePictures(join(cwd, 'pictures'));
  for (const name of ['static', 'pad'] as const) writeFileSync(join(cwd, `${name}.yaml`), tinyRecipe(name));
  const sweep = '{ partition.ratio: [0.1, 0.3], partition.scope: [global, local] }';
  writeFileSync(join(cwd, 'report.yaml'), `recipe: pad.yaml\nreferences: [static.yaml]\nsweeps: [${sweep}]\n`);
  expect(await runCommand(['ablate', 'report.yaml', '--out', cwd], { cwd })).toMatchObject({ code: 0, stderr: '' });
  renameSync(join(cwd, 'ablation.html'), report);
}

/** Runs of each layer kind in `cwd`, each under its name, and their comparison. */
async function compare(
  kind: Exclude<(typeof kinds)[number], { kind: 'an ablation' }>,
  cwd: string,
  report: string,
): Promise<void> {
  if (kind.kind === 'pictures') {
    writePictures(join(cwd, 'pictures'));
    for (const name of kind.names) writeFileSync(join(cwd, `${name}.yaml`), tinyRecipe(name));
  } else {
    writeTinyEncoder(join(cwd, 'encoder'));
    writeTinyGlue(join(cwd, 'glue'));
    writeTinyGlueRecipes(cwd);
  }
  for (const name of kind.names) {
    const recipe =
      kind.kind === 'pictures' ? [`${name}.yaml`] : ['rte-pad50.yaml', '--set', `model.layer=${layers[name]}`];
    const unpartitioned = kind.kind === 'texts' && name !== 'pad' ? ['--set', 'partition=null'] : [];
    const { code, stderr } = await runCommand(['train', ...recipe, ...unpartitioned, '--out', name], { cwd });
    expect(stderr).toBe('');
    expect(code).toBe(0);
  }
  expect((await runCommand(['compare', ...kind.names, '--out', report], { cwd })).code).toBe(0);
}

describe.skipIf(executablePath === undefined).each(kinds)('the report page of $kind', (kind) => {
  const { names, headings } = kind;
  const cwd = mkdtempSync(join(tmpdir(), 'padnet-report-'));
  const report = join(cwd, 'report.html');
  let browser: Browser;

  beforeAll(async () => {
    await (kind.kind === 'an ablation' ? ablate(cwd, report) : compare(kind, cwd, report));
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
    });
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    rmSync(cwd, { recursive: true });
  });

  it.each([
    { width: 1280, colorScheme: 'light' as const },
    { width: 480, colorScheme: 'dark' as const },
  ])('renders whole at $width px, $colorScheme, asking for nothing', async ({ width, colorScheme }) => {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const problems: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) problems.push(`asked for ${request.url()}`);
    });
    await page.goto(`file://${report}`);
    expect(problems).toEqual([]);

    const text = await page.innerText('body');
    for (const words of [...names, ...headings]) expect(text).toContain(words);
    const figures = page.locator('figure svg');
    expect(await figures.count()).toBeGreaterThanOrEqual(kind.figures);
    for (const figure of await figures.all()) {
      const box = (await figure.boundingBox())!;
      expect(box.width).toBeGreaterThan(20);
      expect(box.height).toBeGreaterThan(20);
    }
    // Wide tables scroll by themselves, the page does not.
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(overflow).toBe(0);
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    const brightness =
      String(background)
        .match(/\d+/g)!
        .slice(0, 3)
        .reduce((sum, value) => sum + Number(value), 0) / 3;
    if (colorScheme === 'dark') expect(brightness).toBeLessThan(80);
    else expect(brightness).toBeGreaterThan(200);
    await page.close();
  });
});
