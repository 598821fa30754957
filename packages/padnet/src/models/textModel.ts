/** Text encoders as recipes and saved models name them. */
import { ops, type nn, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { convertToMoE, convertToPartialMoE, moePositions } from '../convert/index.js';
import { gatingStarts } from '../dynamic/index.js';
import { countMacs, routingLevels, type LayerCost } from '../layers/index.js';
import { scaleModes } from '../partial/index.js';
import { copyKnown } from './copyKnown.js';
import { layerKindSchema } from './layerKind.js';
import {
  configuredFor,
  loadPretrained,
  orderOutputs,
  readTextConfig,
  SequenceClassifier,
  type HeadOptions,
  type LoadPretrainedOptions,
  type TextConfig,
} from './text/index.js';

/** Everything that makes a network but its weights. */
export const textModelSchema = z.strictObject({
  /** A folder with `config.json`, weights and tokenizer, or the name of a model on the Hugging Face hub. */
  pretrained: z.string().min(1),
  /** Take only shape and tokenizer from `pretrained`; the weights start fresh. */
  fromScratch: z.boolean().default(false),
  layer: layerKindSchema.default('static'),
  /** E */
  numExperts: z.int().min(1).max(256).default(8),
  /** Experts computed for each token. */
  k: z.int().min(1).default(2),
  position: z.enum(moePositions).default('both'),
  routing: z.enum(routingLevels).default('token'),
  /** Feed-forward blocks to convert, from 0; absent: all. */
  layers: z.array(z.int().min(0)).min(1).optional(),
  /** Noise on the experts, copies of the pretrained layer, in standard deviations of its weight. */
  noise: z.number().min(0).max(1e9).default(0),
  auxiliaryWeight: z.number().min(0).max(1e9).default(0.01),
  routerStart: z.enum(gatingStarts).default('published'),
  scaleMode: z.enum(scaleModes).default('both'),
});
export type TextModelOptions = z.infer<typeof textModelSchema>;

/**
 * The network that training starts from: pretrained weights, or fresh ones. @throws InputError where `folder` has no
 * such model
 */
export function createTextModel(
  options: TextModelOptions,
  { folder, ...loading }: { readonly folder: string } & LoadPretrainedOptions,
): SequenceClassifier {
  const network = options.fromScratch
    ? new SequenceClassifier(configuredFor(readTextConfig(folder, loading), loading))
    : loadPretrained(folder, loading).network;
  return convertTextModel(network, options);
}

/**
 * The network that training starts from: one of ours, with its static layers, mixtures and routers. Layers that were
 * static and are mixtures in `options` start as copies; of a mixture that becomes partial the mean of its experts is
 * the static weight. A head for another number of labels is fresh.
 *
 * @param of the network, which is used up, and what makes one like it
 * @throws RangeError naming tensors where `options` are for other layers
 */
export function createTextFrom(
  options: TextModelOptions,
  of: { readonly network: SequenceClassifier; readonly model: TextModelOptions },
  head: HeadOptions,
): SequenceClassifier {
  const config = configuredFor(of.network.config, head);
  const network = new SequenceClassifier(config);
  if (options.fromScratch) return convertTextModel(network, options);
  orderOutputs(of.network, of.network.config.labels, config.labels);
  // Static entries come back into the experts.
  const { layer } = of.model;
  const whole =
    layer === 'static' ? of.network : convertTextModel(of.network, { ...of.model, layer: 'dynamic', noise: 0 });
  const state = withoutOtherHead(whole.stateDict(), network.stateDict());
  if (layer === 'static') {
    network.loadStateDict(state);
    return convertTextModel(network, options);
  }
  const known = new Set(copyKnown(network, state));
  convertTextModel(network, { ...options, layer: 'dynamic' });
  network.loadStateDict(new Map([...network.stateDict(), ...[...state].filter(([name]) => !known.has(name))]));
  return convertTextModel(network, options);
}

/** With the tensors of the network's own head, where shapes differ. */
function withoutOtherHead(state: nn.StateDict, own: nn.StateDict): Map<string, Tensor> {
  return new Map(
    Array.from(state, ([name, value]) => {
      const mine = own.get(name);
      const isOther = name.startsWith('head.') && mine !== undefined && mine.shape.join() !== value.shape.join();
      return [name, isOther ? mine : value];
    }),
  );
}

/** The same network with fresh weights, to load saved ones into. */
export function createTextShape(options: TextModelOptions, config: TextConfig): SequenceClassifier {
  return convertTextModel(new SequenceClassifier(config), options);
}

/** A static network as the options say, in place. @throws RangeError as `convertToMoE` */
export function convertTextModel(
  network: SequenceClassifier,
  { layer, layers, ...options }: TextModelOptions,
): SequenceClassifier {
  const chosen = { ...options, ...(layers && { layers }) };
  switch (layer) {
    case 'static':
      return network;
    case 'dynamic':
      return convertToMoE(network, chosen);
    case 'partial':
      return convertToPartialMoE(network, chosen);
  }
}

/** The multiply-accumulates that every layer with weights executes for one text of `length` tokens. */
export function countTextMacs(network: SequenceClassifier, length: number): LayerCost[] {
  return countMacs(network, () => {
    const attentionMask = ops.ones([1, length], { dtype: 'int64' });
    // Any token but that of padding, so that all are real to every family.
    const inputIds = ops.fullLike(attentionMask, network.config.padTokenId === 0 ? 1 : 0);
    return network.forward({ inputIds, attentionMask, tokenTypeIds: null });
  });
}
