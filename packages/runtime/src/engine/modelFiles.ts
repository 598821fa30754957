/** The files of an exported network, wherever they lie. */

/** How far a file has been read. */
export interface LoadProgress {
  readonly file: string;
  readonly loadedBytes: number;
  /** null where it is not known beforehand. */
  readonly totalBytes: number | null;
  readonly fromCache: boolean;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface ModelFiles {
  /** What messages call a file. */
  path(name: string): string;
  /**
   * @param kind what it should be; null is given where there is no such file of a tokenizer
   * @throws InputError where another is not there, or it cannot be read
   */
  read(name: string, kind: FileKind, options: ReadOptions): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** The manifest is read anew each time; others may be kept. */
export type FileKind = 'manifest' | 'weights' | 'graph' | 'tokenizer';
