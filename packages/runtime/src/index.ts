/// <reference lib="esnext.disposable" preserve="true" />
/** Answers of exported networks, in Node. The same in a browser: `browser.ts`. */
import { fileURLToPath } from 'node:url';
import { classifierOf, type PictureClassifier, type TextClassifier } from './classifiers.js';
import { openEngine } from './engine/engine.js';
import { InputError } from './errors.js';
import { checkOptions, type LoadOptions } from './loadOptions.js';
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
  checkOptions(options);
  return classifierOf(await openEngine(filesOf(source), nodePlatform(options), options));
}

function filesOf(source: string | URL): ReturnType<typeof folderFiles> {
  if (!(source instanceof URL) && typeof (source as unknown) !== 'string')
    throw new InputError('load takes the folder of an exported network: a path, or an address');
  if (source instanceof URL ? source.protocol === 'file:' : /^file:\/\//i.test(source))
    return folderFiles(pathOfUrl(source));
  const isAddress = source instanceof URL || /^[a-z][a-z0-9+.-]+:\/\//i.test(source);
  return isAddress ? webFiles(folderUrl(source), { cache: false }) : folderFiles(source);
}

function pathOfUrl(source: string | URL): string {
  try {
    return fileURLToPath(source);
  } catch (cause) {
    throw new InputError(`${String(source)} is no path of this machine; give the folder of an exported network`, {
      cause,
    });
  }
}
