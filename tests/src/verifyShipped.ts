/// <reference lib="dom" />
/**
 * `npm run verify:shipped -- RUN…`: the answers of exported runs to up to 1,000 samples of their test data, in
 * @padnet/runtime of Node and of Chromium, against libtorch's: how many predictions are the same, and the accuracy, for
 * float32 and int8.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, type PictureClassifier, type RawPicture, type TextClassifier } from '@padnet/runtime';
import { noGrad, scope } from '@padnet/torch';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import { exportModel, type CompactDType } from 'padnet/export';
import { tokenise, TextLoader, type TextDataset } from 'padnet/data';
import { fromTypedArray } from '@padnet/torch';
import { limitPictures, limitTexts } from '../../packages/padnet/dist/data/index.js';
import { textTable } from '../../packages/padnet/dist/report/table.js';
import {
  folderOfModel,
  loadAnswering,
  readRun,
  readTokenizer,
  RunFolder,
  splitOfRun,
  type PictureModel,
  type SavedModel,
  type TextModel,
} from '../../packages/padnet/dist/runs/index.js';
import { loadPictures, loadTexts, textInputs } from '../../packages/padnet/dist/training/index.js';
import { executablePath } from './chromium.js';
import { serveFolder } from './staticServer.js';

const most = 1000;
const dtypes = ['float32', 'int8'] as const satisfies readonly CompactDType[];
const module = (name: string): string => fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));

declare const runtime: { readonly load: typeof load };

/** A sample as a classifier takes it: pixels in base64, or a text with its pair. */
type Sample =
  | { readonly pixels: string; readonly width: number; readonly height: number; readonly channels: 1 | 3 }
  | { readonly first: string; readonly second: string | null };

interface Samples {
  readonly samples: readonly Sample[];
  readonly labels: readonly number[];
  /** The class that libtorch gives each. */
  readonly expected: readonly number[];
  readonly classNames: readonly string[];
}

async function picturesOf(model: PictureModel, run: string): Promise<Samples> {
  const { recipe } = readRun(run);
  if (recipe.modality !== 'image') throw new Error(`${run} is no run on pictures`);
  const { test } = await loadPictures(recipe.data, splitOfRun(new RunFolder(run)));
  if (test.kind !== 'stored') throw new Error(`${run}: expected pictures in memory`);
  const limited = limitPictures(test, Math.min(most, test.length));
  const { channels, height, width, images, length, classNames } = limited;
  const size = channels * height * width;
  const { mean, std } = model.description.normalise;
  const normalised = Float32Array.from(images, (pixel, at) => {
    const channel = Math.floor((at % size) / (height * width));
    return (pixel / 255 - mean[channel]!) / std[channel]!;
  });
  const samples = Array.from({ length }, (_, index): Sample => {
    const planes = images.subarray(index * size, (index + 1) * size);
    const pixels = Buffer.from(
      Uint8Array.from(
        { length: size },
        (_, at) => planes[(at % channels) * height * width + Math.floor(at / channels)]!,
      ),
    );
    return { pixels: pixels.toString('base64'), width, height, channels: channels === 1 ? 1 : 3 };
  });
  const expected = Array.from({ length: Math.ceil(length / 100) }, (_, batch) => {
    const part = normalised.subarray(batch * 100 * size, Math.min(length, (batch + 1) * 100) * size);
    const rows = part.length / size;
    return scope(() =>
      noGrad(() =>
        model.network
          .forward(fromTypedArray(part, [rows, channels, height, width]))
          .argmax({ dim: 1 })
          .toArray(),
      ),
    );
  }).flat();
  return { samples, labels: Array.from(limited.labels), expected, classNames };
}

async function textsOf(model: TextModel, run: string): Promise<Samples> {
  const { recipe } = readRun(run);
  if (recipe.modality !== 'text') throw new Error(`${run} is no run on texts`);
  const { test } = loadTexts(recipe.data, splitOfRun(new RunFolder(run)));
  const limited: TextDataset = limitTexts(test, Math.min(most, test.length), 1);
  const { first, second, labels, classNames } = limited;
  const dataset = tokenise(limited, model.tokenizer, { maxLength: model.description.maxLength });
  const expected: number[] = [];
  await using loader = new TextLoader({ dataset, batchSize: 32 });
  for await (const batch of loader.epoch(0))
    expected.push(
      ...scope(() => noGrad(() => model.network.forward(textInputs(batch)).logits.argmax({ dim: 1 }).toArray())),
    );
  return {
    samples: first.map((text, index) => ({ first: text, second: second?.[index] ?? null })),
    labels: Array.from(labels!),
    expected,
    classNames: classNames!,
  };
}

type Classifier = PictureClassifier | TextClassifier;

/** The class of each sample, by name; in this process or in a page. */
async function classesOf(classifier: Classifier, samples: readonly Sample[]): Promise<string[]> {
  const answers: string[] = [];
  for (const sample of samples) {
    if ('pixels' in sample) {
      const { pixels, ...shape } = sample;
      const data = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
      const picture: RawPicture = { data, ...shape };
      answers.push((await (classifier as PictureClassifier).classify(picture)).classes[0]!.label);
    } else {
      const { classes } = await (classifier as TextClassifier).classify(sample.first, sample.second);
      answers.push(classes[0]!.label);
    }
  }
  return answers;
}

interface PageAnswers {
  readonly classes: string[];
  /** From the call of `load` to the answer to the first sample. */
  readonly firstAnswerSeconds: number;
}

/** In a page that is opened anew. */
async function inPage(page: Page, folder: string, samples: readonly Sample[]): Promise<PageAnswers> {
  await page.goto(`${server.address}/index.html`);
  await page.addScriptTag({ type: 'module', content: 'window.runtime = await import("/runtime.js");' });
  await page.addScriptTag({ content: classesOf.toString() });
  await page.waitForFunction(() => 'runtime' in globalThis);
  return await page.evaluate(
    async ([place, given]) => {
      const start = performance.now();
      const classifier = await runtime.load(place);
      const first = await classesOf(classifier, given.slice(0, 1));
      const firstAnswerSeconds = (performance.now() - start) / 1000;
      const classes = [...first, ...(await classesOf(classifier, given.slice(1)))];
      await classifier.release();
      return { classes, firstAnswerSeconds };
    },
    [folder, samples] as const,
  );
}

if (executablePath === undefined) throw new Error('Chromium is not installed; `make test` installs it');
const root = mkdtempSync(join(tmpdir(), 'padnet-shipped-'));
writeFileSync(join(root, 'index.html'), '<!doctype html><link rel="icon" href="data:," /><title>Shipped</title>');
await build({
  entryPoints: { runtime: module('@padnet/runtime/dist/browser.js'), worker: module('@padnet/runtime/dist/worker.js') },
  bundle: true,
  minify: true,
  format: 'esm',
  outdir: root,
});
copyFileSync(module('onnxruntime-web/dist/ort-wasm-simd-threaded.wasm'), join(root, 'ort-wasm-simd-threaded.wasm'));
const server = await serveFolder(root);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage();

const headings = {
  run: 'run',
  dtype: 'dtype',
  where: 'where',
  same: 'as libtorch',
  accuracy: 'accuracy',
  first: 'first answer, then from the cache',
} as const;
const rows: { run: string; dtype: string; where: string; same: string; accuracy: string; first: string }[] = [];
try {
  for (const run of process.argv.slice(2)) {
    const model: SavedModel = loadAnswering(run);
    const { samples, labels, expected, classNames } =
      model.modality === 'image' ? await picturesOf(model, run) : await textsOf(model, run);
    const accuracyOf = (classes: readonly string[]): string => {
      const right = classes.filter((name, index) => name === classNames[labels[index]!]).length;
      return `${((100 * right) / classes.length).toFixed(2)} %`;
    };
    const wanted = expected.map((index) => classNames[index]!);
    const row = (dtype: string, where: string, classes: readonly string[], first = ''): void => {
      const same = classes.filter((name, index) => name === wanted[index]).length;
      rows.push({ run, dtype, where, same: `${same} of ${classes.length}`, accuracy: accuracyOf(classes), first });
    };
    row('float32', 'libtorch', wanted);
    for (const dtype of dtypes) {
      const tokenizer = model.modality === 'text' ? readTokenizer(folderOfModel(run)) : undefined;
      const { files } = await exportModel(model, { name: run, target: 'web', dtype, ...(tokenizer && { tokenizer }) });
      const name = `${rows.length}`;
      mkdirSync(join(root, name));
      for (const [file, content] of files) writeFileSync(join(root, name, file), content);
      const classifier = await load(join(root, name));
      row(dtype, 'Node', await classesOf(classifier, samples));
      await classifier.release();
      const cold = await inPage(page, name, samples);
      const cached = await inPage(page, name, samples.slice(0, 1));
      const seconds = [cold, cached].map(({ firstAnswerSeconds }) => firstAnswerSeconds.toFixed(2));
      row(dtype, 'Chromium', cold.classes, `${seconds.join(' s, ')} s`);
    }
  }
} finally {
  await browser.close();
  await server.close();
  rmSync(root, { recursive: true });
}
console.log(
  textTable({
    columns: (['run', 'dtype', 'where', 'same', 'accuracy', 'first'] as const).map((heading) => ({
      heading: headings[heading],
      isName: ['run', 'dtype', 'where'].includes(heading),
      cell: (each: (typeof rows)[number]) => each[heading],
    })),
    rows,
  }),
);
