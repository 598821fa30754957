/**
 * Files of one's own that a recipe names: routers and scores. A reference is the file's path, and once the code has
 * been run its checksum behind it, as in `/home/user/myRouter.ts#sha256=0123456789abcdef`: what is written down then is
 * refused where the code has changed.
 */
import { basename, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';

const checksumPattern = /#sha256=([0-9a-f]{16})$/;

/** TypeScript or JavaScript: what tells a file from the name of something built in. */
const codePattern = /\.[cm]?[jt]s(#sha256=[0-9a-f]{16})?$/;

/** A value of a recipe that names a file. */
export const codeReferenceSchema = z
  .string()
  .regex(codePattern)
  .describe('the path of a file with code of your own, such as ./mine.ts (.ts, .mts, .cts, .js, .mjs or .cjs)');

export function isCodeReference(text: string): boolean {
  return codePattern.test(text);
}

export interface CodeReference {
  readonly file: string;
  /** Null where the code has not been run yet. */
  readonly checksum: string | null;
}

export function parseCodeReference(reference: string): CodeReference {
  const [end = '', checksum = null] = checksumPattern.exec(reference) ?? [];
  return { file: end === '' ? reference : reference.slice(0, -end.length), checksum };
}

export function formatCodeReference({ file, checksum }: CodeReference): string {
  return checksum === null ? file : `${file}#sha256=${checksum}`;
}

/** @param folder what a relative path starts from */
export function absoluteCodeReference(reference: string, folder: string): string {
  return isAbsolute(reference) ? reference : resolve(folder, reference);
}

/** Such as `myRouter.ts`. */
export function codeName(reference: string): string {
  return basename(parseCodeReference(reference).file);
}
