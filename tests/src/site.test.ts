/**
 * The page of `padnet export --web` in a real browser: Debian's Chromium, from a sub-path of a server of this machine.
 * Skipped where there is none.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, type PictureClassifier, type TextClassifier } from '@padnet/runtime';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommand } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { colourVariables } from '../../packages/padnet/dist/report/charts/runColours.js';
import { executablePath } from './chromium.js';
import { tinyRecipe, writePictures } from './padnetProcess.js';
import { serveFolder, type StaticServer } from './staticServer.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

/** Where the page lies on the server. */
const path = 'some/where';

interface Shown {
  readonly label: string;
  readonly probability: number;
}

/** Classes and probabilities of each network, as the page has them. */
async function shownAnswers(page: Page): Promise<Shown[][]> {
  const script = `Array.from(document.querySelectorAll('.card'), (card) =>
    Array.from(card.querySelectorAll('.classes li'), (row) =>
      ({ label: row.querySelector('.name').textContent, probability: Number(row.title) })))`;
  return await page.evaluate<Shown[][]>(script);
}

/** Retries until nothing is thrown. */
async function eventually(check: () => Promise<void>): Promise<void> {
  await vi.waitFor(check, { timeout: 30_000, interval: 50 });
}

/** Waits until the page has these answers: the same classes in the same order, probabilities within 1e-4. */
async function expectAnswers(page: Page, expected: readonly { readonly classes: readonly Shown[] }[]): Promise<void> {
  await eventually(async () => {
    const shown = await shownAnswers(page);
    expect(shown.map((classes) => classes.map(({ label }) => label))).toEqual(
      expected.map(({ classes }) => classes.slice(0, 5).map(({ label }) => label)),
    );
    for (const [network, classes] of shown.entries())
      for (const [rank, { probability }] of classes.entries())
        expect(Math.abs(probability - expected[network]!.classes[rank]!.probability)).toBeLessThanOrEqual(1e-4);
  });
}

/** Presses Tab until an element has the focus that fits. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the Tab key does not lead to ${selector}`);
}

async function seriousFindings(page: Page): Promise<string[]> {
  if (await page.evaluate('typeof axe === "undefined"')) await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`));
}

/** A folder with a page, its server, and the networks in this process. */
class SiteUnderTest {
  readonly cwd = mkdtempSync(join(tmpdir(), 'padnet-site-'));
  readonly folder = join(this.cwd, path);
  server!: StaticServer;
  browser!: Browser;
  /** Open for all tests that leave the page as they found it. */
  page!: Page;
  readonly #problems: string[] = [];

  constructor(readonly names: readonly string[]) {}

  async start(train: (cwd: string) => Promise<void>): Promise<void> {
    await train(this.cwd);
    const result = await runCommand(['export', '--web', path, ...this.names], { cwd: this.cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    this.server = await serveFolder(this.cwd);
    this.browser = await chromium.launch({
      executablePath: executablePath!,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-sync',
        '--use-fake-device-for-media-stream',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      ],
    });
    this.page = await this.open();
  }

  async end(): Promise<void> {
    await this.browser.close();
    await this.server.close();
    rmSync(this.cwd, { recursive: true });
  }

  /** A page of its own. */
  async open(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({
      viewport: { width: 1280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    });
    context.on('console', (message) => this.#problems.push(message.text()));
    context.on('weberror', (error) => this.#problems.push(error.error().message));
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.address}/`) && !url.startsWith(`blob:${this.server.address}/`))
        this.#problems.push(`asked for ${url}`);
    });
    const page = await context.newPage();
    await page.goto(`${this.address}/index.html`);
    return page;
  }

  /** What the console said, and who else was asked, since the last call. */
  problems(): string[] {
    return this.#problems.splice(0);
  }

  get address(): string {
    return `${this.server.address}/${path}`;
  }

  /** What the networks answer in Node. */
  async inNode<A>(ask: (classifier: never) => Promise<A>): Promise<A[]> {
    const answers: A[] = [];
    for (const name of this.names) {
      await using classifier = await load(join(this.folder, 'models', name));
      answers.push(await ask(classifier as never));
    }
    return answers;
  }
}

async function train(cwd: string, recipe: readonly string[], name: string): Promise<void> {
  expect(await runCommand(['train', ...recipe, '--out', name], { cwd })).toMatchObject({ code: 0, stderr: '' });
}

const looks = [
  { width: 1280, colorScheme: 'light' as const },
  { width: 1280, colorScheme: 'dark' as const },
  { width: 390, colorScheme: 'light' as const },
];

/** No page that scrolls sideways, and nothing that keeps somebody out. */
async function expectGoodLooks(page: Page): Promise<void> {
  for (const { width, colorScheme } of looks) {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme });
    const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    expect(await page.evaluate(overflow)).toBe(0);
    const background = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    const red = Number(/\d+/.exec(background)![0]);
    expect(colorScheme === 'dark' ? red < 80 : red > 200).toBe(true);
    expect(await seriousFindings(page)).toEqual([]);
  }
}

it('has the colours of the reports', () => {
  const style = readFileSync(
    fileURLToPath(new URL('../../packages/site/static/style.css', import.meta.url)),
    'utf8',
  ).replaceAll(/\s/g, '');
  for (const theme of ['light', 'dark'] as const) expect(style).toContain(`${colourVariables(theme)};`);
});

describe.skipIf(executablePath === undefined)('the web page of pictures', () => {
  const site = new SiteUnderTest(['static', 'pad']);
  const sample = (number: number): string => join(site.folder, 'samples', `${number}.png`);
  const inNode = (picture: Parameters<PictureClassifier['classify']>[0]) =>
    site.inNode((classifier: PictureClassifier) => classifier.classify(picture, { coefficients: true }));

  beforeAll(async () => {
    await site.start(async (cwd) => {
      writePictures(join(cwd, 'pictures'));
      for (const name of ['static', 'pad'] as const) {
        writeFileSync(join(cwd, `${name}.yaml`), tinyRecipe(name));
        await train(cwd, [`${name}.yaml`], name);
      }
    });
  }, 120_000);

  afterAll(() => site.end());

  afterEach(() => {
    expect(site.problems()).toEqual([]);
  });

  it('answers as Node does, for samples and files', async () => {
    const { page } = site;
    const [first, second, third] = [await inNode(sample(1)), await inNode(sample(2)), await inNode(sample(3))];
    expect(first[0]!.classes).not.toEqual(second[0]!.classes);
    // The second cancels the first.
    await page.locator('.samples button').nth(0).click();
    await page.locator('.samples button').nth(1).click();
    await expectAnswers(page, second);
    await page.locator('input[type=file]').setInputFiles(sample(3));
    await expectAnswers(page, third);
    const cells = await page.evaluate<string[]>(
      `Array.from(document.querySelectorAll('.coefficients td'), ({ title }) => title)`,
    );
    const mixed = third[1]!.coefficients;
    expect(mixed.length).toBeGreaterThan(0);
    expect(cells.map((title) => Number(title.split(': ')[1]))).toEqual(
      mixed.flatMap(({ coefficients }) => coefficients.map((value): unknown => expect.closeTo(value, 3))),
    );
    expect(await page.innerText('.card >> nth=0')).toContain('Nothing to mix');
    // WebGPU’s WebAssembly is not asked for where there is no WebGPU.
    expect(site.server.requests.filter((request) => request.endsWith('.wasm')).join()).not.toContain('asyncify');
  });

  it('exchanges light and dark', async () => {
    const { page } = site;
    await page.locator('.samples button').nth(2).click();
    await page.getByLabel('Exchange light and dark').check();
    await expectAnswers(page, await inNode(await sharp(sample(3)).negate({ alpha: false }).png().toBuffer()));
    // A sample is right as it is.
    await page.locator('.samples button').nth(2).click();
    await expectAnswers(page, await inNode(sample(3)));
  });

  it('says in one message that a file is no picture', async () => {
    const { page } = site;
    const file = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture at all') };
    await page.locator('input[type=file]').setInputFiles(file);
    await page.waitForSelector('[role=alert] p');
    expect(await page.locator('[role=alert] p').allInnerTexts()).toEqual([
      'notes.txt: its contents are not a picture, expected JPEG, PNG, WebP, GIF or AVIF; save it as one of these',
    ]);
    expect(await shownAnswers(page)).toEqual([[], []]);
    expect(await seriousFindings(page)).toEqual([]);
  });

  it('answers to what is drawn', async () => {
    const { page } = site;
    await page.getByRole('button', { name: 'Draw' }).click();
    const { x, y, width, height } = (await page.locator('canvas').boundingBox())!;
    await page.mouse.move(x + 0.1 * width, y + 0.2 * height);
    await page.mouse.down();
    await page.mouse.move(x + 0.4 * width, y + 0.3 * height, { steps: 4 });
    await page.mouse.up();
    const drawn = await drawing(page);
    expect(drawn.data.filter((value) => value === 255).length).toBeGreaterThan(drawn.data.length / 4 + 1000);
    await expectAnswers(page, await inNode(drawn));
    await expectGoodLooks(page);
    await page.getByRole('button', { name: 'Clear' }).click();
    expect((await drawing(page)).data.every((value, at) => value === (at % 4 === 3 ? 255 : 0))).toBe(true);
  });

  it('can be used by keyboard alone', async () => {
    const { page } = site;
    await page.evaluate('document.activeElement.blur()');
    await tabTo(page, '.samples button');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Enter');
    await expectAnswers(page, await inNode(sample(1)));
    await eventually(async () => {
      expect(await page.innerText('[role=status]')).toMatch(/^ResNet-10, static: .+ ResNet-10, PAD-Net: .+%\.$/);
    });
    await page.evaluate('document.activeElement.blur()');
    await tabTo(page, '.buttons > [aria-pressed=false]:last-child');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('CANVAS');
    await page.keyboard.press('Space');
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowUp', 'Shift+ArrowUp']) await page.keyboard.press(key);
    await page.keyboard.press('Space');
    await expectAnswers(page, await inNode(await drawing(page)));
    await tabTo(page, '.heading button');
    await page.keyboard.press('Enter');
    await eventually(async () => {
      const latencies = await page.locator('.latency').allInnerTexts();
      expect(latencies.every((latency) => latency.includes('median of 9'))).toBe(true);
    });
    expect(await page.innerText('.card >> nth=1')).toMatch(/\d\sms by WebAssembly, median of 9, \d.* × static/);
  });

  /** What is drawn. */
  async function drawing(page: Page) {
    const script = `(() => {
      const { width, height } = document.querySelector('canvas');
      const { data } = document.querySelector('canvas').getContext('2d').getImageData(0, 0, width, height);
      return { width, height, data: Array.from(data) };
    })()`;
    const { width, height, data } = await page.evaluate<{ width: number; height: number; data: number[] }>(script);
    return { width, height, channels: 4, data: Uint8Array.from(data) } as const;
  }

  it('answers to the camera, and says so where it may not be used', async () => {
    const { page } = site;
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.waitForSelector('[role=alert] p');
    expect(await page.innerText('[role=alert] p')).toContain(
      'The camera cannot be used: the browser does not allow it',
    );
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.locator('[role=alert]').isVisible()).toBe(false);

    await page.context().grantPermissions(['camera']);
    await page.locator('input[type=file]').setInputFiles({ name: 'x', mimeType: 'x', buffer: Buffer.from('x') });
    await page.waitForSelector('[role=alert] p');
    expect(await shownAnswers(page)).toEqual([[], []]);
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await eventually(async () => {
      expect((await shownAnswers(page)).map(({ length }) => length)).toEqual([4, 4]);
    });
    await page.getByRole('button', { name: 'Take this picture' }).click();
    await page.waitForSelector('.stage img');
    expect(await page.evaluate('document.querySelector("video").srcObject')).toBe(null);
  });

  it('says that a download broke off, and tries again', async () => {
    const weights = `/${path}/models/pad/model.safetensors`;
    site.server.instead.set(weights, (_, response) => {
      response.writeHead(200, { 'content-length': 10_000 });
      response.write('some bytes', () => response.destroy());
    });
    const page = await site.open();
    await page.waitForSelector('[role=alert] p');
    expect(await page.innerText('[role=alert] p')).toMatch(/model\.safetensors broke off after \d+ of 10000 bytes/);
    expect(site.problems().every((problem) => problem.includes('Failed to load resource'))).toBe(true);
    site.server.instead.delete(weights);
    await page.getByRole('button', { name: 'Load again' }).click();
    await page.locator('.samples button').nth(0).click();
    await expectAnswers(page, await inNode(sample(1)));
    expect(await page.locator('[role=alert]').isVisible()).toBe(false);
    await page.context().close();
  });

  it('says so where the browser lacks what it needs, or the page its files', async () => {
    const page = await site.open();
    await page.addInitScript('WebAssembly.validate = () => false');
    const said = async (): Promise<string> => {
      await page.goto(`${site.address}/index.html`);
      await page.waitForSelector('[role=alert] p');
      return await page.innerText('[role=alert] p');
    };
    expect(await said()).toContain('this browser has no WebAssembly with SIMD');
    site.server.instead.set(`/${path}/site.json`, (_, response) => response.end('{"format": "other"}'));
    expect(await said()).toContain('site.json is damaged or of another version, at format');
    site.server.instead.set(`/${path}/site.json`, (_, response) => response.writeHead(404).end());
    expect(await said()).toContain('site.json: the server answers 404');
    site.server.instead.clear();
    await page.goto(`file://${site.folder}/index.html`);
    expect(await page.innerText('.starting')).toContain('it was opened as a file');
    await page.context().close();
    site.problems();
  });
});

describe.skipIf(executablePath === undefined)('the web page of texts', () => {
  const site = new SiteUnderTest(['static', 'pad']);
  const inNode = (first: string, second: string) =>
    site.inNode((classifier: TextClassifier) => classifier.classify(first, second, { experts: true }));

  beforeAll(async () => {
    await site.start(async (cwd) => {
      writeTinyEncoder(join(cwd, 'encoder'));
      writeTinyGlue(join(cwd, 'glue'));
      writeTinyGlueRecipes(cwd);
      const more = ['--set', 'model.numExperts=4', '--set', 'model.k=2'];
      await train(cwd, ['rte-pad50.yaml', '--set', 'model.layer=static', '--set', 'partition=null'], 'static');
      await train(cwd, ['rte-pad50.yaml', ...more], 'pad');
    });
  }, 120_000);

  afterAll(() => site.end());

  it('answers as Node does, and shows the experts of each token, by keyboard alone', async () => {
    const { page } = site;
    const expected = await inNode('good film', 'a bad plot');
    await page.waitForSelector('textarea');
    await tabTo(page, 'textarea');
    await page.keyboard.type('good film');
    await page.keyboard.press('Tab');
    await page.keyboard.type('a bad plot');
    await page.keyboard.press('Enter');
    await expectAnswers(page, expected);
    const { tokens, experts } = expected[1]!;
    expect(experts.length).toBe(4);
    for (const layer of [0, 3]) {
      await tabTo(page, 'select');
      await page.keyboard.press(layer === 0 ? 'Home' : 'End');
      const chips = await page.evaluate(`Array.from(document.querySelectorAll('.card:last-child .token'), (chip) => [
        chip.querySelector('.word').textContent,
        ...Array.from(chip.querySelectorAll('.badge'), ({ firstChild }) => Number(firstChild.textContent)),
      ])`);
      expect(chips).toEqual(tokens.map((token, at) => [token, ...experts[layer]!.experts[at]!]));
    }
    expect(await page.innerText('.card >> nth=0')).toContain('no experts');
    await tabTo(page, 'summary');
    await page.keyboard.press('Enter');
    await expectGoodLooks(page);
    await page.locator('.sentences button').nth(0).click();
    const [first, second] = [await page.inputValue('textarea >> nth=0'), await page.inputValue('textarea >> nth=1')];
    await expectAnswers(page, await inNode(first, second));
    expect(site.problems()).toEqual([]);
  });
});
