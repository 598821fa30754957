/** Pretrained encoders from a folder as Hugging Face's library writes them. */
import { join } from 'node:path';
import { noGrad, scope, tensor, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { readJson } from '../../jsonFile.js';
import { numberedLabels, parseTextConfig, type ParseTextConfigOptions, type TextConfig } from './config.js';
import { families, familyNames, type FamilyName } from './family.js';
import { SequenceClassifier } from './sequenceClassifier.js';
import { readWeights } from './readWeights.js';
import { isIgnored, modernName, prefixOfEncoder, weightNames, type WeightName } from './weightNames.js';
import { unwrapNames } from '../wrappedNames.js';

/** The outputs that a head is to give. */
export interface HeadOptions {
  /** Classes of the head, 1 for regression. @default as many as `labels`, else what config.json says */
  readonly numLabels?: number;
  /** The names of the classes. @default what config.json says, where it has as many, else numbered */
  readonly labels?: readonly string[];
}

export interface LoadPretrainedOptions extends ParseTextConfigOptions, HeadOptions {}

export interface Pretrained {
  readonly network: SequenceClassifier;
  readonly config: TextConfig;
  /** Hugging Face's names of the head's tensors that the file lacks or has for other classes: these are fresh. */
  readonly missing: readonly string[];
}

/**
 * Reads `config.json` and the weights (`model.safetensors`, its shards, or `pytorch_model.bin`) in `folder`. Weights
 * become float32; a head that is not there, or is for another number of classes, is drawn afresh from the default
 * generator.
 *
 * @throws InputError where a file is missing or damaged, or names, by kind, the encoder's tensors that are missing,
 *   unexpected or of another shape
 */
export function loadPretrained(folder: string, options: LoadPretrainedOptions = {}): Pretrained {
  const stored = readTextConfig(folder, options);
  const config = configuredFor(stored, options);
  return scope(() => {
    const { file, tensors } = readWeights(folder);
    const network = new SequenceClassifier(config);
    const missing = loadWeights(network, tensors, file);
    orderOutputs(network, stored.labels, config.labels);
    return { network, config, missing };
  });
}

/** The configuration with these classes instead of its own. */
export function configuredFor(stored: TextConfig, { labels, numLabels = labels?.length }: HeadOptions): TextConfig {
  if (labels) return { ...stored, labels };
  if (numLabels === undefined || numLabels === stored.labels.length) return stored;
  return { ...stored, labels: numberedLabels(numLabels) };
}

/**
 * A head that was trained for the same classes goes on with them, whatever number each had.
 *
 * @param stored the classes that it has
 */
export function orderOutputs(network: SequenceClassifier, stored: readonly string[], wanted: readonly string[]): void {
  const names = stored.map((name) => name.toLowerCase());
  const order = wanted.map((name) => names.indexOf(name.toLowerCase()));
  const isPermutation = new Set(order).size === stored.length && order.length === stored.length && !order.includes(-1);
  if (!isPermutation) return;
  const { weight, bias } = network.head.output;
  noGrad(() => {
    for (const parameter of [weight, bias!])
      parameter.copy_(parameter.indexSelect(0, tensor(order, { dtype: 'int64' })));
  });
}

/** @throws InputError where there is no `config.json` of a text encoder in `folder` */
export function readTextConfig(folder: string, options: ParseTextConfigOptions = {}): TextConfig {
  const file = join(folder, 'config.json');
  const json = readJson(file, z.unknown(), {
    expected: 'the configuration in the folder of a Hugging Face model',
    wayOut: 'get it again',
  });
  return parseTextConfig(json, file, options);
}

/** Returns the names of the head's tensors that stay as they are. */
function loadWeights(network: SequenceClassifier, stored: ReadonlyMap<string, Tensor>, file: string): string[] {
  const { family } = network.config;
  const own = unwrapNames(stored, prefixOfEncoder, file);
  const tensors = new Map(Array.from(own, ([name, tensor]) => [modernName(name, family), tensor]));
  const state = network.stateDict();
  const names = weightNames(network.config, state.keys());
  const fits = ({ name, huggingFace }: WeightName): boolean =>
    tensors.get(huggingFace)?.shape.join() === state.get(name)!.shape.join();
  const body = names.filter(({ part }) => part === 'body');
  const known = new Set(names.map(({ huggingFace }) => huggingFace));
  const unexpected = [...tensors.keys()].filter((name) => !known.has(name) && !isIgnored(name));
  const missing = body.filter(({ huggingFace }) => !tensors.has(huggingFace));
  const misshapen = body.filter((weight) => tensors.has(weight.huggingFace) && !fits(weight));
  if (missing.length + misshapen.length + unexpected.length > 0) {
    const shape = (tensor: Tensor | undefined): string => `[${tensor?.shape.join(', ') ?? ''}]`;
    throw new InputError(
      `${file}: the weights are not those of the ${family} in config.json${otherFamily(tensors.keys(), family)}: ` +
        [
          list('missing', missing.map(({ huggingFace }) => huggingFace)), // prettier-ignore
          list('unexpected', unexpected),
          list(
            'of another shape',
            misshapen.map(
              ({ name, huggingFace }) =>
                `${huggingFace} ${shape(tensors.get(huggingFace))}, expected ${shape(state.get(name))}`,
            ),
          ),
        ]
          .filter(Boolean)
          .join('; '),
    );
  }
  noGrad(() => {
    for (const weight of names) if (fits(weight)) state.get(weight.name)!.copy_(tensors.get(weight.huggingFace)!);
  });
  return names.filter((weight) => !fits(weight)).map(({ huggingFace }) => huggingFace);
}

function list(kind: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return `${names.length} ${kind} (${names.slice(0, 5).join(', ')}${more})`;
}

function otherFamily(names: Iterable<string>, family: FamilyName): string {
  for (const name of names) {
    const other = familyNames.find((candidate) => candidate !== family && name.startsWith(`${candidate}.`));
    if (other) return `, they are of ${families[other].architecture.replace('ForSequenceClassification', '')}`;
  }
  return '';
}
