/**
 * Names on the Hugging Face hub. They become parts of addresses and of paths in the cache, so nothing else gets
 * through.
 */
import { InputError } from '../../../errors.js';

const part = /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?$/;

function isPart(text: string): boolean {
  return part.test(text) && text.length <= 96 && !text.includes('--') && !text.includes('..');
}

/** `name`, or `organisation/name`. */
export function isModelName(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isPart);
}

/**
 * A branch, a tag or a commit.
 *
 * @throws InputError where it cannot be one
 */
export function checkRevision(revision: string): string {
  if (revision.split('/').every(isPart)) return revision;
  throw new InputError(
    `revision ${JSON.stringify(revision)}: expected a branch, a tag or a commit of the model, such as main`,
  );
}

/** The model's folder in the cache; `--` is in no name, so that no two models share one. */
export function cachePath(name: string, revision: string): string[] {
  return [name.replace('/', '--'), revision.replaceAll('/', '--')];
}
