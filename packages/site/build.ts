/**
 * Bundles the page into `dist`: static files, `site.js`, the worker of the runtime, and onnxruntime-web's WebAssembly
 * in `ort/`.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const folder = fileURLToPath(new URL('..', import.meta.url));
const dist = join(folder, 'dist');
const { resolve } = createRequire(import.meta.url);

mkdirSync(join(dist, 'ort'), { recursive: true });
for (const name of readdirSync(dist)) if (/\.js(\.map)?$/.test(name)) rmSync(join(dist, name));

await build({
  entryPoints: {
    site: join(folder, 'src/main.ts'),
    worker: fileURLToPath(import.meta.resolve('@padnet/runtime/worker')),
  },
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: '[name]-[hash]',
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
});

for (const name of readdirSync(join(folder, 'static'))) copyFileSync(join(folder, 'static', name), join(dist, name));

/** As they are, where they are not there yet: 40 MB. */
for (const name of ['ort-wasm-simd-threaded.wasm', 'ort-wasm-simd-threaded.asyncify.wasm']) {
  const [from, to] = [resolve(`onnxruntime-web/${name}`), join(dist, 'ort', name)];
  if (statSync(to, { throwIfNoEntry: false })?.size !== statSync(from).size) copyFileSync(from, to);
}
