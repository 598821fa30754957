/** A list of picture files in shared memory: a million paths go to worker threads without a copy. */
export interface PictureFile {
  /** Path below the root. */
  readonly path: string;
  /** Pixels, upright: as EXIF orientation says. */
  readonly width: number;
  readonly height: number;
  readonly hasAlpha: boolean;
}

export interface PictureFiles {
  readonly root: string;
  /** All paths in UTF-8, one after the other. */
  readonly paths: Uint8Array<SharedArrayBuffer>;
  /** Where each path begins, and the end, `[length + 1]`. */
  readonly offsets: Uint32Array<SharedArrayBuffer>;
  /** Width, height and whether there is an alpha channel, `[length, 3]`. */
  readonly facts: Uint32Array<SharedArrayBuffer>;
}

export function pictureFiles(root: string, files: readonly PictureFile[]): PictureFiles {
  const encoded = files.map(({ path }) => Buffer.from(path, 'utf8'));
  const numBytes = encoded.reduce((sum, { length }) => sum + length, 0);
  const paths = new Uint8Array(new SharedArrayBuffer(numBytes));
  const offsets = new Uint32Array(new SharedArrayBuffer(4 * (files.length + 1)));
  const facts = new Uint32Array(new SharedArrayBuffer(12 * files.length));
  files.forEach(({ width, height, hasAlpha }, index) => {
    paths.set(encoded[index]!, offsets[index]);
    offsets[index + 1] = offsets[index]! + encoded[index]!.length;
    facts.set([width, height, Number(hasAlpha)], 3 * index);
  });
  return { root, paths, offsets, facts };
}

/** @throws RangeError if there is no such file */
export function pictureFile({ paths, offsets, facts }: PictureFiles, index: number): PictureFile {
  if (index < 0 || index + 1 >= offsets.length) throw new RangeError(`there is no picture ${index}`);
  // A copy: text is not decoded from shared memory.
  const path = Buffer.from(paths.slice(offsets[index], offsets[index + 1])).toString('utf8');
  return { path, width: facts[3 * index]!, height: facts[3 * index + 1]!, hasAlpha: facts[3 * index + 2] === 1 };
}
