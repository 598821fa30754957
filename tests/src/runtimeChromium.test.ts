/// <reference lib="dom" />
/** The runtime in a real browser, Debian's Chromium: bundled, in a worker. Skipped where there is none. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, type Picture, type PictureClassifier, type TextClassifier } from '@padnet/runtime';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import sharp, { type Sharp } from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { executablePath } from './chromium.js';
import { exportedPictures, exportedTexts, pictureNetwork, writeExported } from './exportedNetworks.js';
import { serveFolder, type StaticServer } from './staticServer.js';

const module = (name: string): string => fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));

/** What the page has: all that a script in it uses. */
interface Runtime {
  readonly load: typeof load;
}
declare const runtime: Runtime;

const [width, height] = [90, 70];
/** Soft waves, of which the upper half is transparent where there is alpha. */
const pixels = Uint8Array.from({ length: 4 * width * height }, (_, index) => {
  const place = Math.floor(index / 4);
  if (index % 4 === 3) return place < (width * height) / 2 ? 40 * (place % 6) : 255;
  return 127 * (1 + Math.sin((place % width) / 7 + Math.floor(place / width) / (5 + (index % 3))));
});
const rgba = (): Sharp => sharp(pixels, { raw: { width, height, channels: 4 } });

const files: Readonly<Record<string, () => Promise<Buffer>>> = {
  'opaque.png': () => rgba().removeAlpha().png().toBuffer(),
  'transparent.png': () => rgba().png().toBuffer(),
  'shades.png': () =>
    sharp(pixels, { raw: { width, height, channels: 4 } })
      .png({ palette: true, colours: 16 })
      .toBuffer(),
  'interlaced.png': () => rgba().png({ progressive: true, adaptiveFiltering: true }).toBuffer(),
  'deep.png': () => rgba().toColourspace('rgb16').png().toBuffer(),
  'greyish.png': () => rgba().toColourspace('b-w').png().toBuffer(),
  'picture.jpg': () => rgba().removeAlpha().jpeg().toBuffer(),
  'sideways.jpg': () => rgba().removeAlpha().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
  'picture.webp': () => rgba().removeAlpha().webp().toBuffer(),
  'grey.png': () => rgba().removeAlpha().toColourspace('b-w').png().toBuffer(),
};

describe.skipIf(executablePath === undefined)('the runtime in Chromium', () => {
  const root = mkdtempSync(join(tmpdir(), 'padnet-web-'));
  let server: StaticServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    writeExported(join(root, 'pictures'), exportedPictures(pictureNetwork(1)));
    writeExported(join(root, 'texts'), exportedTexts(2, ['no', 'yes']));
    for (const [name, make] of Object.entries(files)) writeFileSync(join(root, name), await make());
    writeFileSync(join(root, 'index.html'), '<!doctype html><link rel="icon" href="data:," /><title>Runtime</title>');
    await build({
      entryPoints: {
        runtime: module('@padnet/runtime/dist/browser.js'),
        worker: module('@padnet/runtime/dist/worker.js'),
      },
      bundle: true,
      minify: true,
      format: 'esm',
      outdir: root,
    });
    copyFileSync(module('onnxruntime-web/dist/ort-wasm-simd-threaded.wasm'), join(root, 'ort-wasm-simd-threaded.wasm'));
    server = await serveFolder(root);
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
    });
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(root, { recursive: true });
  });

  beforeEach(async () => {
    // A context of its own: nothing is in the cache.
    page = await (await browser.newContext()).newPage();
    problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await open();
  });

  afterEach(async () => {
    server.instead.clear();
    server.headers.clear();
    await page.context().close();
  });

  async function open(): Promise<void> {
    await page.goto(`${server.address}/index.html`);
    await page.addScriptTag({ type: 'module', content: 'window.runtime = await import("/runtime.js");' });
    await page.waitForFunction(() => 'runtime' in globalThis);
  }

  /** The message of an InputError that loading ends with, in the page. */
  async function refusal(
    options: { readonly worker?: string | false; readonly device?: 'webgpu' } = {},
  ): Promise<string> {
    return await page.evaluate(async (given) => {
      const error = await runtime.load('pictures', given).then(
        () => new Error('it was loaded'),
        (reason: unknown) => reason as Error,
      );
      return `${error.name}: ${error.message}`;
    }, options);
  }

  it('answers as in Node, whatever a picture comes as', async () => {
    const found = await page.evaluate(
      async ({ names, raw }) => {
        const classifier = (await runtime.load('pictures')) as PictureClassifier;
        const file = async (name: string): Promise<Blob> => await (await fetch(name)).blob();
        const image = new Image();
        image.src = 'opaque.png';
        await image.decode();
        const bitmap = await createImageBitmap(image);
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.width, image.height];
        const context = canvas.getContext('2d')!;
        context.drawImage(image, 0, 0);
        const drawn = context.getImageData(0, 0, canvas.width, canvas.height);
        const bytes = new Uint8Array(await (await file('opaque.png')).arrayBuffer());
        const pixels = { ...raw, data: Uint8Array.from(raw.data) };
        const blobs = await Promise.all(names.map(file));
        const logits = await classifier.logits([...blobs, image, bitmap, bitmap, canvas, drawn, bytes, pixels]);
        const { classes, coefficients } = await classifier.classify(blobs[0]!, { coefficients: true });
        const { name, device, downloadedBytes, classNames } = classifier;
        await classifier.release();
        const after = await classifier.classify(blobs[0]!).catch((error: unknown) => (error as Error).message);
        return {
          logits: logits.map((row) => Array.from(row)),
          classes,
          coefficients,
          name,
          device,
          downloadedBytes,
          classNames,
          after,
        };
      },
      { names: Object.keys(files), raw: { data: Array.from(pixels), width, height, channels: 4 as const } },
    );
    await using classifier = (await load(join(root, 'pictures'))) as PictureClassifier;
    const paths = Object.keys(files).map((name) => join(root, name));
    const opaque = join(root, 'opaque.png');
    const expected = await classifier.logits([
      ...paths,
      ...new Array<Picture>(6).fill(opaque),
      { data: pixels, width, height, channels: 4 },
    ]);
    expect(found.logits.length).toBe(expected.length);
    const scale = Math.max(...expected.flatMap((row) => Array.from(row, Math.abs)));
    for (const [index, row] of expected.entries()) {
      // JPEG and WebP may be decoded by another library.
      const tolerance = /\.(jpg|webp)$/.test(paths[index] ?? '') ? 1e-2 : 1e-4;
      for (const [place, value] of row.entries())
        expect(Math.abs(found.logits[index]![place]! - value), `picture ${index}`).toBeLessThan(tolerance * scale);
    }
    const answer = await classifier.classify(opaque, { coefficients: true });
    expect(found.classes.map(({ label }) => label)).toEqual(answer.classes.map(({ label }) => label));
    expect(found.coefficients.map(({ layer }) => layer)).toEqual(answer.coefficients.map(({ layer }) => layer));
    const { name, downloadedBytes, classNames } = classifier;
    expect(found).toMatchObject({ name, downloadedBytes, classNames, device: 'wasm' });
    expect(found.after).toBe(`${name} was released; load it again`);
    expect(problems).toEqual([]);
  });

  it('answers texts as in Node, with the experts of each token', async () => {
    const found = await page.evaluate(async () => {
      const classifier = (await runtime.load(new URL('texts/', location.href))) as TextClassifier;
      const { milliseconds, ...answer } = await classifier.classify('The cats sat', 'on the cat!', { experts: true });
      const long = await classifier.classify('the cat '.repeat(5000));
      return { answer: { ...answer, isTimed: milliseconds > 0 }, long: [long.truncated, long.tokens.length] };
    });
    await using classifier = (await load(join(root, 'texts'))) as TextClassifier;
    const answer = await classifier.classify('The cats sat', 'on the cat!', { experts: true });
    const { experts, milliseconds, ...expected } = answer;
    expect(milliseconds).toBeGreaterThan(0);
    const close = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value), (_, each: unknown) =>
        typeof each === 'number' ? Math.round(each * 1e4) / 1e4 : each,
      );
    expect(close({ ...found.answer, experts: undefined })).toEqual(close({ ...expected, isTimed: true }));
    expect(found.answer.experts[0]!.experts).toEqual(experts[0]!.experts);
    expect(found.long).toEqual([true, 24]);
    expect(problems).toEqual([]);
  });

  it('takes files from the cache until the server has others', async () => {
    const ask = async (): Promise<{ fromCache: boolean[]; logits: number[]; totals: boolean }> =>
      await page.evaluate(async () => {
        const seen = new Map<string, boolean>();
        let totals = true;
        const classifier = (await runtime.load('pictures', {
          onProgress: ({ file, fromCache, loadedBytes, totalBytes }) => {
            seen.set(file, fromCache);
            totals &&= totalBytes !== null && loadedBytes <= totalBytes;
          },
        })) as PictureClassifier;
        const [logits] = await classifier.logits([await (await fetch('opaque.png')).blob()]);
        await classifier.release();
        return {
          fromCache: ['padnet.json', 'model.onnx', 'model.safetensors'].map((name) => seen.get(name)!),
          logits: Array.from(logits!),
          totals,
        };
      });
    const first = await ask();
    expect(first.fromCache).toEqual([false, false, false]);
    server.requests.length = 0;
    const second = await ask();
    expect(second).toEqual({ ...first, fromCache: [false, true, true] });
    expect(server.requests).toContain('HEAD /pictures/model.safetensors');
    expect(server.requests).not.toContain('GET /pictures/model.safetensors');
    // Another network of the same form: the same manifest, the same sizes.
    writeExported(join(root, 'pictures'), exportedPictures(pictureNetwork(2)));
    try {
      const third = await ask();
      expect(third.fromCache).toEqual([false, false, false]);
      expect(third.logits).not.toEqual(first.logits);
    } finally {
      writeExported(join(root, 'pictures'), exportedPictures(pictureNetwork(1)));
    }
    expect(problems).toEqual([]);
  });

  it('answers where the cache is full', async () => {
    const session = await page.context().newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: server.address, quotaSize: 1000 });
    const found = await page.evaluate(async () => {
      const classifier = await runtime.load('pictures');
      const kept = await (await caches.open('padnet-runtime-1')).keys();
      return { device: classifier.device, kept: kept.length };
    });
    expect(found).toEqual({ device: 'wasm', kept: 0 });
    expect(problems).toEqual([]);
  });

  it('computes in the page where that is asked for, and with threads where the page is isolated', async () => {
    server.headers.set('cross-origin-opener-policy', 'same-origin');
    server.headers.set('cross-origin-embedder-policy', 'require-corp');
    await open();
    const found = await page.evaluate(async () => {
      const picture = await (await fetch('opaque.png')).blob();
      const logits = [];
      for (const options of [{ worker: false as const, numThreads: 1 }, { numThreads: 2 }]) {
        const classifier = (await runtime.load('pictures', options)) as PictureClassifier;
        logits.push(Array.from((await classifier.logits([picture]))[0]!));
        await classifier.release();
      }
      return { logits, isIsolated: crossOriginIsolated };
    });
    expect(found.isIsolated).toBe(true);
    for (const [index, value] of found.logits[0]!.entries()) expect(found.logits[1]![index]).toBeCloseTo(value, 4);
    expect(problems).toEqual([]);
  });

  it('does not freeze the page while a picture of 50 megapixels is answered', async () => {
    writeFileSync(
      join(root, 'large.jpg'),
      await rgba().removeAlpha().resize(8000, 6250, { fit: 'fill', kernel: 'nearest' }).jpeg().toBuffer(),
    );
    const found = await page.evaluate(async () => {
      const classifier = (await runtime.load('pictures')) as PictureClassifier;
      const picture = await (await fetch('large.jpg')).blob();
      let ticks = 0;
      const timer = setInterval(() => ticks++, 10);
      const start = performance.now();
      const answer = await classifier.classify(picture);
      clearInterval(timer);
      return { classes: answer.classes.length, ticks, possible: (performance.now() - start) / 10 };
    });
    expect(found.classes).toBe(5);
    // Half of the machine may belong to others.
    expect(found.ticks).toBeGreaterThan(found.possible / 5);
  });

  it('says what is wrong with a picture', async () => {
    const found = await page.evaluate(async () => {
      const classifier = (await runtime.load('pictures')) as PictureClassifier;
      const png = await (await fetch('opaque.png')).blob();
      const bad: Parameters<PictureClassifier['classify']>[0][] = [
        new File(['<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'], 'drawing.png', {
          type: 'image/png',
        }),
        new Blob(['\0\0\0\x18ftypheic']),
        new File(['a text'], 'notes.txt'),
        new Blob([]),
        png.slice(0, 100),
        new Image(),
        'opaque.png',
        { data: new Uint8Array(5), width: 2, height: 1, channels: 3 },
      ];
      const messages: string[] = [];
      for (const picture of bad)
        messages.push(
          await classifier.classify(picture).then(
            () => 'answered',
            (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
          ),
        );
      messages.push(String((await classifier.classify(png)).classes.length));
      return messages;
    });
    const expected = [
      /^InputError: drawing.png: its contents are SVG, expected JPEG, PNG, WebP, GIF or AVIF/,
      /^InputError: the picture: its contents are HEIC, expected/,
      /^InputError: notes.txt: its contents are not a picture, expected/,
      /^InputError: the picture is empty/,
      /^InputError: the picture is damaged, cut off or too large/,
      /^InputError: the picture cannot be read: it is not loaded/,
      /^InputError: a picture in a browser is a Blob/,
      /^InputError: the picture has 5 values, expected 6/,
      /^5$/,
    ];
    expect(found.length).toBe(expected.length);
    for (const [index, message] of found.entries()) expect(message).toMatch(expected[index]!);
  });

  it('says what is wrong with what the server sends', async () => {
    const weights = '/pictures/model.safetensors';
    const cases: [Parameters<StaticServer['instead']['set']>[1], RegExp][] = [
      [(_, response) => response.writeHead(404).end(), /safetensors: the server answers 404/],
      [(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), /sends a page \(HTML\)/],
      [
        (_, response) => {
          response.writeHead(200, { 'content-length': 1000 });
          response.write(new Uint8Array(100), () => setTimeout(() => response.destroy(), 50));
        },
        /the download of .* broke off after 100 of 1000 bytes; try again/,
      ],
      [(_, response) => response.writeHead(200).end(new Uint8Array(64)), /safetensors is damaged or cut off/],
    ];
    for (const [answer, message] of cases) {
      server.instead.set(weights, answer);
      expect(await refusal()).toMatch(message);
    }
  });

  it('says what the browser lacks', async () => {
    expect(await refusal({ device: 'webgpu' })).toMatch(/^InputError: this browser has no WebGPU adapter/);
    expect(await refusal({ worker: '/nowhere.js' })).toMatch(
      /^InputError: .*nowhere.js cannot be loaded as the script/,
    );
    await page.evaluate(() => {
      (globalThis as unknown as { WebAssembly: { validate: () => boolean } }).WebAssembly.validate = () => false;
    });
    expect(await refusal()).toMatch(/^InputError: this browser has no WebAssembly with SIMD/);
  });

  it('ends a download and a call that waits when it is aborted', async () => {
    server.instead.set('/texts/model.safetensors', (_, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write(new Uint8Array(100));
    });
    const found = await page.evaluate(async () => {
      const name = (error: unknown): string => (error as Error).name;
      const loading = new AbortController();
      const download = await runtime
        .load('texts', {
          signal: loading.signal,
          onProgress: ({ file }) => {
            if (file === 'model.safetensors') loading.abort();
          },
        })
        .then(() => 'loaded', name);
      const classifier = (await runtime.load('pictures')) as PictureClassifier;
      const picture = await (await fetch('opaque.png')).blob();
      const waiting = new AbortController();
      const first = classifier.classify(picture);
      const second = classifier.classify(picture, { signal: waiting.signal }).then(() => 'answered', name);
      waiting.abort();
      return { download, second: await second, first: (await first).classes.length };
    });
    expect(found).toEqual({ download: 'AbortError', second: 'AbortError', first: 5 });
  });
});
