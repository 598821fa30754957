/** Answers of exported networks, in Node. The same in a browser: `browser.ts`. */
import { fileURLToPath } from 'node:url';
import { classifierOf, type PictureClassifier, type TextClassifier } from './classifiers.js';
import { openEngine } from './engine/engine.js';
import type { LoadOptions } from './loadOptions.js';
import { folderFiles } from './node/folderFiles.js';
import { nodePlatform } from './node/nodePlatform.js';
import { folderUrl } from './web/folderUrl.js';
import { webFiles } from './web/webFiles.js';

export * from './api.js';
export * from './expand.js';
export * from './manifest.js';
export * from './safetensors.js';

/**
 * A network that `padnet export` wrote, ready to answer.
 *
 * @param source the folder (a path, in Node; the address of a web server). In a browser it may be relative to the page
 * @throws InputError where it is missing, damaged, or cannot run here; the signal's reason where that is aborted
 */
export async function load(
  source: string | URL,
  options: LoadOptions = {},
): Promise<PictureClassifier | TextClassifier> {
  return classifierOf(await openEngine(filesOf(source), nodePlatform(options), options));
}

function filesOf(source: string | URL): ReturnType<typeof folderFiles> {
  if (source instanceof URL && source.protocol === 'file:') return folderFiles(fileURLToPath(source));
  const isAddress = source instanceof URL || /^https?:\/\//i.test(source);
  return isAddress ? webFiles(folderUrl(source), { cache: false }) : folderFiles(source);
}
