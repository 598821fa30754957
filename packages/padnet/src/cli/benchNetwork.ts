/** The options of `padnet bench` that say which network on what is measured. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { NetworkShape } from '../bench/benchNetwork.js';
import { modelNames } from '../models/index.js';
import { checkWidth, oneOf, positiveNumber, wholeNumber } from './options.js';

const stems = ['imagenet', 'small'] as const;

export interface NetworkOptions {
  readonly model: (typeof modelNames)[number];
  readonly stem: (typeof stems)[number];
  readonly width?: number;
  readonly size: number;
  readonly channels: number;
  readonly classes: number;
  readonly batch: number;
}

/** @param batch the default */
export function withNetworkOptions(command: Command, batch: number): Command {
  return command
    .option('--model <name>', modelNames.join(', '), oneOf(modelNames), 'resnet18')
    .option('--stem <name>', stems.join(' or '), oneOf(stems), 'imagenet')
    .option(
      '--width <number>',
      'channels of the first stage, of mobilenetV2 their multiplier (default: as published)',
      positiveNumber,
    )
    .option('--size <pixels>', 'side of the pictures', wholeNumber(1), 224)
    .option('--channels <number>', 'channels of the pictures', wholeNumber(1), 3)
    .option('--classes <number>', 'classes', wholeNumber(1), 1000)
    .option('--batch <number>', 'pictures in a batch', wholeNumber(1), batch);
}

export function networkShape({ model, stem, width, size, channels, classes, batch }: NetworkOptions): NetworkShape {
  checkWidth(model, width);
  return { model, stem, width: width ?? null, inChannels: channels, numClasses: classes, size, batch };
}

export function withThreadsAndJson(command: Command): Command {
  return command
    .option('--threads <number>', 'threads (default: all cores)', wholeNumber(1), availableParallelism())
    .option('--json', 'print the result as JSON');
}
