/** Classification of pictures: cross-entropy with label smoothing, mix-up and CutMix, scored by accuracy. */
import { autocast, type Device, type nn, type Tensor } from '@padnet/torch';
import type { z } from 'zod';
import {
  channelStatistics,
  type ChannelStatistics,
  constantChannel,
  DataLoader,
  type ImageBatch,
  type ImageDataset,
  type ImageSplits,
  type ImageTransform,
  onceEach,
  pictureFingerprint,
  STANDARD_CROP,
  type OnBadPicture,
  type Share,
} from '../../data/index.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss, mixedLoss } from './classificationLoss.js';
import { evaluate } from './evaluate.js';
import { evaluatedSamples } from './evaluatedSamples.js';
import { InputError } from '../../errors.js';
import { parseOptions } from '../../recipe/parseOptions.js';
import { pictureDataSchema, type PictureDataOptions } from '../../recipe/recipe.js';
import type { ModelOptions } from '../../models/index.js';
import { cropFractionOf } from './pictureInput.js';
import type { PictureDescription } from '../../runs/savedModel.js';
import type { BatchSource, Evaluation, EvaluationOptions, PartitionLosses, StepLoss, Task } from '../task.js';

export interface PictureTaskOptions {
  readonly network: nn.Layer;
  readonly splits: ImageSplits;
  /** As in a recipe; `name`, `path` and the limits do not matter here. */
  readonly data?: z.input<typeof pictureDataSchema>;
  /** @default 0 */
  readonly labelSmoothing?: number;
  /** α of Beta(α, α). @default 0: no mix-up */
  readonly mixup?: number;
  /** α of Beta(α, α). @default 0: no CutMix */
  readonly cutmix?: number;
  /**
   * The type that the network computes a training step in, besides float32; tests and scores use float32.
   *
   * @default 'none'
   */
  readonly autocast?: 'none' | 'bf16';
  /**
   * The statistics that the pixels are normalised with.
   *
   * @default mean and deviation of the training pictures, by channel
   */
  readonly normalise?: NonNullable<ImageTransform['normalise']>;
  /** Told once of each picture that `data.onBadPicture: skip` leaves out. */
  readonly onBadPicture?: OnBadPicture | undefined;
  /** @default 'cpu' */
  readonly device?: Device;
}

/** Pictures on the task's device, normalised, and their labels. */
export interface PartitionInputs extends Disposable {
  readonly inputs: readonly ReturnType<typeof batchTensors>[];
}

/** @throws InputError where a channel cannot be normalised */
function statistics(train: ImageDataset): ChannelStatistics {
  const constant = train.kind === 'stored' ? constantChannel(train) : null;
  if (!constant) return channelStatistics(train);
  const { channel, pixel } = constant;
  throw new InputError(
    `${train.name}: all pixels of channel ${channel} are ${pixel} ` +
      `in the ${train.length} pictures that are trained on, so that there is nothing to learn from`,
  );
}

export class PictureTask implements Task<ImageBatch> {
  readonly network: nn.Layer;
  readonly hasValidation: boolean;
  readonly normalise: NonNullable<ImageTransform['normalise']>;
  readonly #splits: ImageSplits;
  readonly #data: PictureDataOptions;
  readonly #labelSmoothing: number;
  readonly #mixup: number;
  readonly #cutmix: number;
  readonly #autocast: boolean;
  readonly #device: Device;
  /** None: a bad picture is an error. */
  readonly #onBadPicture: OnBadPicture | undefined;

  /** @throws InputError where an option is out of range */
  constructor({
    network,
    splits,
    data = {},
    labelSmoothing = 0,
    mixup = 0,
    cutmix = 0,
    ...options
  }: PictureTaskOptions) {
    this.#device = options.device ?? 'cpu';
    this.network = network.to(this.#device);
    this.#splits = splits;
    this.hasValidation = splits.validation !== undefined;
    this.#data = parseOptions('data', pictureDataSchema, data);
    this.#labelSmoothing = labelSmoothing;
    this.#mixup = mixup;
    this.#cutmix = cutmix;
    this.#autocast = options.autocast === 'bf16';
    if (this.#data.onBadPicture === 'skip') this.#onBadPicture = onceEach(options.onBadPicture ?? (() => undefined));
    this.normalise = options.normalise ?? statistics(splits.train);
  }

  /** The description that is saved beside the weights of a network that `createModel` made from `model`. */
  describe(model: ModelOptions): PictureDescription {
    const { train } = this.#splits;
    const { channels, height, width, numClasses, classNames } = train;
    const { mean, std } = this.normalise;
    return {
      modality: 'image',
      model: { ...model, pretrained: undefined },
      inChannels: channels,
      numClasses,
      size: [height, width],
      classNames: [...classNames],
      normalise: { mean: [...mean], std: [...std] },
      cropFraction: cropFractionOf(train),
    };
  }

  fingerprint(): Readonly<Record<string, string>> {
    const { train, test, validation } = this.#splits;
    return {
      'training data': pictureFingerprint(train),
      ...(validation && { 'validation data': pictureFingerprint(validation) }),
      'test data': pictureFingerprint(test),
      normalisation: JSON.stringify(this.normalise),
      device: this.#device,
    };
  }

  openLoader(seed: number, share?: Share): BatchSource<ImageBatch> {
    const { batchSize, numWorkers, randomResizedCrop, randomCrop, randomFlip } = this.#data;
    const { colorJitter, randAugment, randomErasing } = this.#data;
    const dataset = this.#splits.train;
    return new DataLoader({
      dataset,
      batchSize,
      seed,
      shuffle: true,
      share,
      numWorkers,
      onBadPicture: this.#onBadPicture,
      transform: {
        normalise: this.normalise,
        randomFlip,
        colorJitter,
        randAugment,
        randomErasing,
        ...(dataset.kind === 'folder' && { randomResizedCrop: randomResizedCrop ?? STANDARD_CROP }),
        ...(randomCrop > 0 && { randomCrop: { padding: randomCrop } }),
      },
    });
  }

  loss(batch: ImageBatch): StepLoss {
    if (batch.size === 0) throw new InputError('a batch has no picture that can be decoded; raise data.batchSize');
    const { images, labels } = batchTensors(batch, this.#splits.train, this.#device);
    const options = { mixup: this.#mixup, cutmix: this.#cutmix, labelSmoothing: this.#labelSmoothing };
    return { loss: mixedLoss({ forward: (input) => this.#logits(input) }, images, labels, options), routing: null };
  }

  output(batch: ImageBatch): Tensor {
    const { images } = batchTensors(batch, this.#splits.train, this.#device);
    return this.#logits(images.narrow(0, 0, Math.min(16, batch.size)));
  }

  /** In the dtype of the images, so that the loss is computed in it. */
  #logits(images: Tensor): Tensor {
    if (!this.#autocast) return this.network.forward(images);
    return autocast('bfloat16', () => this.network.forward(images)).to(images.dtype);
  }

  evaluate({ on = 'test', signal, ranks }: EvaluationOptions = {}): Promise<Evaluation> {
    const dataset = evaluatedSamples(this.#splits, on);
    return evaluate(this.network, dataset, {
      normalise: this.normalise,
      device: this.#device,
      numWorkers: dataset.kind === 'folder' ? this.#data.numWorkers : 0,
      onBadPicture: this.#onBadPicture,
      signal,
      ranks,
    });
  }

  async partitionLosses(set: { batches: number; seed: number; epoch: number }): Promise<PartitionLosses> {
    const { train } = this.#splits;
    const { inputs, [Symbol.dispose]: dispose } = await this.partitionInputs(set);
    return {
      batchLosses: inputs.map(
        ({ images, labels }) =>
          () =>
            classificationLoss(this.network.forward(images), labels, this.#labelSmoothing),
      ),
      sampleShape: [train.channels, train.height, train.width],
      [Symbol.dispose]: dispose,
    };
  }

  /** The batches of `partitionLosses`: the first `batches` of an epoch, without anything random. */
  async partitionInputs({
    batches,
    seed,
    epoch,
  }: {
    batches: number;
    seed: number;
    epoch: number;
  }): Promise<PartitionInputs> {
    const { train } = this.#splits;
    const { batchSize } = this.#data;
    const loader = new DataLoader({
      dataset: train,
      batchSize,
      seed,
      shuffle: true,
      onBadPicture: this.#onBadPicture,
      transform: { normalise: this.normalise },
    });
    const inputs: PartitionInputs['inputs'][number][] = [];
    try {
      for await (const batch of loader.epoch(epoch)) {
        if (inputs.length === batches) break;
        if (batch.size === 0) continue;
        inputs.push(batchTensors(batch, train, this.#device));
      }
    } finally {
      await loader.close();
    }
    return {
      inputs,
      [Symbol.dispose]: () => {
        for (const { images, labels } of inputs) for (const tensor of [images, labels]) tensor[Symbol.dispose]();
      },
    };
  }
}
