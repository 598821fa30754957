/** Networks that answer: what `load` gives. */
import type { PictureAnswer, TextAnswer } from './answers.js';
import type { CallOptions, Engine, Facts, PictureOptions, Text, TextOptions } from './engine/engine.js';
import type { Device } from './engine/session.js';
import { InputError } from './errors.js';
import type { RawPicture } from './picture/rawPicture.js';

/** A class of the browser, where the types of one are known. */
type Global<Name extends string> =
  typeof globalThis extends Record<Name, { prototype: infer Instance }> ? Instance : never;

/**
 * A picture: pixels anywhere; in Node also the path or the bytes of a file; in a browser also a `Blob` (a `File`), an
 * `ImageData`, an `ImageBitmap`, an image or a canvas of the page.
 */
export type Picture =
  | RawPicture
  | string
  | Uint8Array
  | Global<'Blob'>
  | Global<'ImageData'>
  | Global<'ImageBitmap'>
  | Global<'HTMLImageElement'>
  | Global<'HTMLCanvasElement'>
  | Global<'OffscreenCanvas'>;

/** What networks for pictures and for texts have in common. */
abstract class Classifier implements Facts {
  abstract readonly modality: Facts['modality'];
  /** The network in words, such as `ResNet-18, DY-Conv with 4 kernels, κ = 0.30`. */
  readonly name: string;
  readonly layer: Facts['layer'];
  /** null where the network gives a score. */
  readonly classNames: readonly string[] | null;
  /** Where it runs. */
  readonly device: Device;
  /** Bytes of the folder's files that were read. */
  readonly downloadedBytes: number;

  /** @internal */
  constructor(
    /** @internal */
    protected readonly engine: Engine<Picture>,
  ) {
    const { name, layer, classNames, device, downloadedBytes } = engine.facts;
    this.name = name;
    this.layer = layer;
    this.classNames = classNames;
    this.device = device;
    this.downloadedBytes = downloadedBytes;
  }

  /** Frees the session and its memory, once what runs has ended; what is asked afterwards is refused. */
  async release(): Promise<void> {
    await this.engine.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** A network for pictures. Its calls are answered one after the other. */
export class PictureClassifier extends Classifier {
  readonly modality = 'image';

  /**
   * @throws InputError where the picture cannot be decoded, or the network was released; the signal's reason where it
   *   is aborted
   */
  async classify(picture: Picture, options: PictureOptions = {}): Promise<PictureAnswer> {
    return await this.engine.picture(checkedPicture(picture), options);
  }

  /** The network's output for each picture, computed as one batch: [pictures][classes]. Errors as of `classify`. */
  async logits(pictures: readonly Picture[], options: CallOptions = {}): Promise<Float32Array[]> {
    return await this.engine.pictureLogits(checkedList(pictures, 'pictures').map(checkedPicture), options);
  }
}

/** A network for texts. Its calls are answered one after the other. */
export class TextClassifier extends Classifier {
  readonly modality = 'text';

  /**
   * @param second of a pair of sentences
   * @throws InputError where the text cannot be split into tokens, or the network was released; the signal's reason
   *   where it is aborted
   */
  async classify(first: string, second: string | null = null, options: TextOptions = {}): Promise<TextAnswer> {
    return await this.engine.text(checkedText(first), second === null ? null : checkedText(second), options);
  }

  /** The network's output for each text, computed as one batch: [texts][classes]. Errors as of `classify`. */
  async logits(texts: readonly Text[], options: CallOptions = {}): Promise<Float32Array[]> {
    const checked = checkedList(texts, 'texts').map((text): Text => {
      return Array.isArray(text) && text.length === 2
        ? [checkedText(text[0]), checkedText(text[1])]
        : checkedText(text);
    });
    return await this.engine.textLogits(checked, options);
  }
}

// Callers without types may give anything.

function checkedPicture(picture: Picture): Picture {
  const given: unknown = picture;
  if (typeof given === 'string' || (typeof given === 'object' && given !== null)) return picture;
  throw new InputError(`${kindOf(given)} was given, expected a picture`);
}

function checkedText(text: unknown): string {
  if (typeof text === 'string') return text;
  throw new InputError(`${kindOf(text)} was given, expected a text`);
}

function checkedList<T>(list: readonly T[], what: string): readonly T[] {
  const given: unknown = list;
  if (Array.isArray(given)) return list;
  throw new InputError(`${kindOf(given)} was given, expected an array of ${what}`);
}

/** A value in a word. */
function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}

/** @internal */
export function classifierOf(engine: Engine<Picture>): PictureClassifier | TextClassifier {
  return engine.facts.modality === 'image' ? new PictureClassifier(engine) : new TextClassifier(engine);
}
