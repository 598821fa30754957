/// <reference types="node" preserve="true" />
/**
 * Datasets in memory, and loaders that turn them into batches. Knows nothing of tensors.
 *
 * @module
 */

export { CIFAR_SHAPE, cifarFormats, type CifarName, cifarNames, loadCifar } from './cifar.js';
export {
  channelStatistics,
  type ChannelStatistics,
  constantChannel,
  emptyClasses,
  imageDataset,
  type ImageDataset,
  type ImageDatasetOptions,
  type ImageSplits,
  IMAGENET_STATISTICS,
  limitPictures,
  type PictureFolder,
  type StoredImages,
} from './dataset.js';
export { pictureFingerprint, textFingerprint } from './dataFingerprint.js';
export type { DataSplit } from './dataSplit.js';
export { domainOf, type DomainOptions, domainPictures, type DomainPart, NUM_DOMAINS } from './domains.js';
export { DataLoader, type DataLoaderOptions } from './dataLoader.js';
export { FASHION_MNIST_CLASSES, FASHION_MNIST_PATH, loadFashionMnist } from './fashionMnist.js';
export { type HeldOut, holdOutPictures, holdOutTexts, type ValidationOptions } from './holdOut.js';
export { decodeIdx, encodeIdx, type IdxArray } from './idx.js';
export { loadIdxFolder } from './idxFolder.js';
export { type BadPicture, badPictureError, type OnBadPicture, onceEach } from './badPicture.js';
export { allImages, type ImageBatch } from './imageBatch.js';
export { MAX_PICTURE_SIDE, type PictureSource } from './decodePicture.js';
export { type PictureBatch, type PictureInput, readPictureBatch } from './pictureBatch.js';
export type { PictureFiles } from './pictureFiles.js';
export {
  loadPictureFolder,
  loadPictureTestSet,
  type PictureFolderOptions,
  type PictureShape,
  type PictureTestSetOptions,
} from './pictureFolder.js';
export type { ColorJitter } from './colorJitter.js';
export { listFiles, type ListedFile } from './pictureListing.js';
export { type ResizedCrop, STANDARD_CROP, STANDARD_CROP_FRACTION } from './pictureGeometry.js';
export { MAX_MAGNITUDE, type RandAugment } from './randAugment.js';
export type { RandomErasing } from './randomErasing.js';
export { type RandomPurpose, RandomStream } from './random.js';
export { sampleOrder, type SampleOrderOptions } from './sampleOrder.js';
export { partOfBatch, type Share } from './share.js';
export {
  applyTransform,
  type ImageTransform,
  MAX_CROP_PADDING,
  prepareTransform,
  type TransformedPictures,
  type PreparedTransform,
  type TransformKey,
} from './transforms.js';
export { type GlueData, loadGlue } from './text/glue.js';
export { glueDefinition, type GlueTask, type GlueTaskName, glueTaskNames, glueTasks } from './text/glueTasks.js';
export { lengthBatches, type LengthBatchesOptions } from './text/lengthBatches.js';
export { loadTokenizer } from './text/loadTokenizer.js';
export { metricNames, metrics, numberMetrics, type Numbers, type TextMetric } from './text/metrics.js';
export { type OwnTableOptions, parseOwnTable, readOwnTable, tableEndings } from './text/ownTables.js';
export {
  loadOwnTexts,
  ownSubmission,
  ownTextDefinition,
  type OwnTexts,
  type OwnTextsOptions,
  type TextTarget,
  textTargets,
} from './text/ownTexts.js';
export { type SubmissionOptions, writeSubmission } from './text/submission.js';
export { paddings, type TextBatch, type TextPadding } from './text/textBatch.js';
export {
  formatOfName,
  parseTable,
  readTable,
  type TableFormat,
  type TableFormatName,
  tableFormatNames,
  tableFormats,
  type TextTable,
} from './text/table.js';
export { limitTexts, type TextDataset } from './text/textDataset.js';
export {
  assertNumbersDiffer,
  numOutputs,
  type TextColumns,
  type TextDefinition,
  textsOfTable,
  type TextsOfTableOptions,
} from './text/textDefinition.js';
export { type TextScore, textScore } from './text/textScore.js';
export { readTextFile } from './text/textFile.js';
export { TextLoader, type TextLoaderOptions } from './text/textLoader.js';
export { type EncodeOptions, type Encoding, TextTokenizer } from '@padnet/runtime/shared';
export { tokenise, type TokenisedDataset, type TokeniseOptions, type Truncation } from './text/tokenise.js';
