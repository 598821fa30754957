/** How much a page downloads for the runtime, beside onnxruntime and the network. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { expect, it } from 'vitest';

const dist = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/@padnet/runtime/dist/${name}.js`, import.meta.url));

/** Files by name, with what they weigh once compressed. */
async function bundle(
  entries: readonly string[],
): Promise<{ files: Map<string, number>; outputs: Metafile['outputs'] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: entries.map(dist),
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    external: ['onnxruntime-web'],
    outdir: 'out',
    write: false,
    metafile: true,
  });
  const files = new Map(
    outputFiles.map(({ path, contents }) => [path.slice(path.lastIndexOf('/') + 1), gzipSync(contents).length]),
  );
  return { files, outputs: metafile.outputs };
}

/** What is loaded with a file at once: itself and what it imports, without what it imports later. */
function loadedWith(file: string, outputs: Metafile['outputs'], seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { path, kind, external } of outputs[file]!.imports)
    if (kind === 'import-statement' && external !== true) loadedWith(path, outputs, seen);
  return seen;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const sum = (sizes: Iterable<number>): number => Array.from(sizes).reduce((total, size) => total + size, 0);

it('weighs at most 60 kB, and for pictures alone less than half of that', async () => {
  const { files, outputs } = await bundle(['browser', 'worker']);
  expect(sum(files.values())).toBeLessThanOrEqual(60_000);
  const forPictures = new Set([...loadedWith('out/browser.js', outputs), ...loadedWith('out/worker.js', outputs)]);
  const ofPictures = sum(Array.from(forPictures, (path) => files.get(nameOf(path))!));
  expect(ofPictures).toBeLessThan(30_000);
  expect(ofPictures).toBeGreaterThan(5_000);
  // The page's own thread has little to do.
  const inPage = Array.from(loadedWith('out/browser.js', outputs), (path) => files.get(nameOf(path))!);
  expect(sum(inPage)).toBeLessThan(8_000);
});

it('weighs at most 60 kB where the worker is one file', async () => {
  const { outputFiles } = await build({
    entryPoints: [dist('worker')],
    bundle: true,
    minify: true,
    format: 'esm',
    external: ['onnxruntime-web'],
    write: false,
  });
  expect(gzipSync(outputFiles[0]!.contents).length).toBeLessThanOrEqual(60_000);
});

it('has nothing of Node in what a browser loads', async () => {
  const { metafile } = await build({
    stdin: {
      contents: "export { load } from '@padnet/runtime';",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    external: ['onnxruntime-web'],
    write: false,
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs).map((path) => path.replace(/.*\/(runtime|node_modules)\//, '$1/'));
  expect(inputs).toContain('runtime/dist/browser.js');
  expect(inputs.filter((path) => /runtime\/dist\/(index|node\/)|onnxruntime-node|sharp/.test(path))).toEqual([]);
});
