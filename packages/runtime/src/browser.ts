/// <reference lib="esnext.disposable" preserve="true" />
/** Answers of exported networks, in a browser. The same in Node: `index.ts`. */
import { classifierOf, type Picture, type PictureClassifier, type TextClassifier } from './classifiers.js';
import type { Engine, EngineOptions } from './engine/engine.js';
import { InputError } from './errors.js';
import { checkOptions, type LoadOptions } from './loadOptions.js';
import { checkWasm } from './web/checkWasm.js';
import { folderUrl } from './web/folderUrl.js';
import type { WebPicture } from './web/webPicture.js';
import { openWorkerEngine } from './web/workerEngine.js';

export * from './api.js';

export async function load(
  source: string | URL,
  options: LoadOptions = {},
): Promise<PictureClassifier | TextClassifier> {
  checkWasm();
  checkOptions(options);
  const { cache = true, device = 'auto', numThreads, signal, onProgress } = options;
  const folder = folderUrl(source, location.href);
  const wasmPaths = options.wasmPaths === undefined ? undefined : folderUrl(options.wasmPaths, location.href).href;
  const { worker = new URL('./worker.js', import.meta.url) } = options;
  const request = { folder: folder.href, cache, options: { device, numThreads, wasmPaths } };
  const running: EngineOptions = { signal, onProgress };
  const engine = worker === false ? await openHere(request, running) : await openWorkerEngine(worker, request, running);
  return classifierOf(takingPictures(engine));
}

/** In the thread that asks; loaded where it is asked for. */
async function openHere(
  { folder, cache, options }: Parameters<typeof openWorkerEngine>[1],
  running: EngineOptions,
): Promise<Engine<WebPicture>> {
  const { openEngine, webFiles, webPlatform } = await import('./web/here.js');
  // Threads run the script of the worker.
  const platform = webPlatform({ ...options, numThreads: 1 });
  return await openEngine(webFiles(new URL(folder), { cache }), platform, running);
}

/** The engine with all that a page has of pictures. */
function takingPictures(engine: Engine<WebPicture>): Engine<Picture> {
  return {
    facts: engine.facts,
    picture: async (picture, options) => {
      const ready = await webPicture(picture);
      return await engine.picture(ready, options).finally(() => {
        close(ready);
      });
    },
    pictureLogits: async (pictures, options) => {
      const ready = await Promise.all(pictures.map(webPicture));
      return await engine.pictureLogits(ready, options).finally(() => {
        ready.forEach(close);
      });
    },
    text: (...parameters) => engine.text(...parameters),
    textLogits: (...parameters) => engine.textLogits(...parameters),
    release: () => engine.release(),
  };
}

/** What a worker can be sent; a bitmap is one of its own, to be closed. */
async function webPicture(picture: Picture): Promise<WebPicture> {
  if (picture instanceof Blob || picture instanceof ImageData) return picture;
  if (picture instanceof Uint8Array) return new Blob([new Uint8Array(picture)]);
  if (typeof picture === 'object' && 'data' in picture) return picture;
  try {
    if (typeof picture !== 'string')
      return await createImageBitmap(picture, {
        imageOrientation: 'from-image',
        colorSpaceConversion: 'none',
        premultiplyAlpha: 'none',
      });
  } catch (cause) {
    throw new InputError('the picture cannot be read: it is not loaded, damaged, or has no size of its own', { cause });
  }
  throw new InputError('a picture in a browser is a Blob, ImageData, ImageBitmap, image or canvas, not text');
}

function close(picture: WebPicture): void {
  if (picture instanceof ImageBitmap) picture.close();
}
