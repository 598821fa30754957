/** The answers of a trained network to picture files: class, probabilities, and its routers' decisions. */
import { nn } from '@padnet/torch';
import { type BadPicture, type PictureSource, readPictureBatch } from '../data/index.js';
import type { PictureModel } from '../runs/index.js';
import { pictureInput } from '../training/index.js';
import { dependsOnInput, watchRouters } from './coefficients.js';

/** A picture to answer. */
export interface Picture {
  /** Its name in the answers. */
  readonly file: string;
  /** The bytes of a file that is not on disk; absent: they are read from `file`. */
  readonly bytes?: Uint8Array;
}

export interface ClassProbability {
  readonly label: string;
  readonly probability: number;
}

/** Coefficients α of one layer, which say how its kernels are mixed for a picture. */
export interface PictureCoefficients {
  /** Path of the layer. */
  readonly path: string;
  /** [K] */
  readonly coefficients: readonly number[];
}

export interface PictureAnswer {
  readonly file: string;
  /** All classes, the likeliest first. */
  readonly classes: readonly ClassProbability[];
  /**
   * The coefficients of every convolution that mixes kernels by its input, in the order in which they ran; none of
   * static networks and DCD.
   */
  readonly coefficients: readonly PictureCoefficients[];
}

export interface PictureAnswerOptions {
  /** @default as many as have 2²⁰ pixels, 64 at most */
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * In the order of the pictures; in evaluation mode. A picture that cannot be used is answered by the reason.
 *
 * @throws InputError where the network takes neither grey pictures nor RGB
 */
export async function* answerPictures(
  { network, description }: PictureModel,
  pictures: readonly Picture[],
  options: PictureAnswerOptions = {},
): AsyncGenerator<PictureAnswer | BadPicture, void, undefined> {
  const input = pictureInput(description);
  const { channels, height, width } = input.shape;
  const { batchSize = Math.max(1, Math.min(64, Math.floor(2 ** 20 / (height * width)))), signal } = options;
  for (let start = 0; start < pictures.length; start += batchSize) {
    signal?.throwIfAborted();
    const asked = pictures.slice(start, start + batchSize);
    const sources = asked.map(({ file, bytes }): PictureSource => bytes ?? file);
    const { images, indices, problems } = await readPictureBatch(sources, input);
    const watched = watchBatch(network, images, [indices.length, channels, height, width]);
    const rows = new Map(indices.map((index, row) => [index, row]));
    for (const [index, { file }] of asked.entries()) {
      const row = rows.get(index);
      if (row === undefined) yield { file, reason: problems.get(index)! };
      else if (!watched.probabilities[row]!.every(Number.isFinite))
        yield { file, reason: 'what the network makes of it is not finite' };
      else yield { file, ...answerOf(watched, row, description.classNames) };
    }
  }
}

type Watched = ReturnType<typeof watchRouters>;

/** Nothing of an empty batch. */
function watchBatch(network: nn.Layer, images: Float32Array, shape: readonly number[]): Watched {
  if (shape[0] === 0) return { attentions: new Map(), probabilities: [] };
  using _mode = nn.evaluationMode(network);
  const { attentions, probabilities } = watchRouters(network, images, shape);
  return { attentions: new Map([...attentions].filter(([path]) => dependsOnInput(network, path))), probabilities };
}

function answerOf(
  { attentions, probabilities }: Watched,
  row: number,
  classNames: readonly string[],
): Omit<PictureAnswer, 'file'> {
  const classes = classNames.map((label, index) => ({ label, probability: probabilities[row]![index]! }));
  return {
    // Sorting is stable: of equally likely classes the first, as `eval` counts.
    classes: classes.sort((a, b) => b.probability - a.probability),
    coefficients: Array.from(attentions, ([path, attention]) => ({
      path,
      coefficients: attention.coefficients![row]!,
    })),
  };
}
