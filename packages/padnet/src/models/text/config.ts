/** Hugging Face's `config.json` of a text encoder. */
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { parseAs } from '../../schemaProblems.js';
import { activationNames, type ActivationName } from './activation.js';
import { refuseOtherArchitectures, unknownConfigKeys } from './configKeys.js';
import { families, familyNames, type FamilyName } from './family.js';

/** The shape of a text encoder and its head; sizes are numbers of features. */
export interface TextConfig {
  readonly family: FamilyName;
  readonly vocabSize: number;
  /** The size of the embeddings; where the family projects them it may differ from hiddenSize. */
  readonly embeddingSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  /** ALBERT: groups of layers that share their weights. Elsewhere as many as layers. */
  readonly numHiddenGroups: number;
  /** ALBERT: layers in a group. Elsewhere 1. */
  readonly innerGroupNum: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly hiddenAct: ActivationName;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly classifierDropout: number;
  readonly maxPositionEmbeddings: number;
  readonly typeVocabSize: number;
  readonly layerNormEps: number;
  readonly padTokenId: number;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** Names of the classes; one alone for regression. */
  readonly labels: readonly string[];
}

const size = z
  .int()
  .min(1)
  .max(2 ** 24);
/** A file's layers and labels are made one by one: numbers far beyond any network's would fill the memory first. */
const numLayers = z.int().min(1).max(256);
const numLabels = z
  .int()
  .min(1)
  .max(2 ** 16);
const probability = z.number().min(0).max(1);

/** The keys that make a network; of the others `configKeys.ts` knows more. */
const schema = z.object({
  model_type: z.enum(familyNames),
  vocab_size: size,
  embedding_size: size.optional(),
  hidden_size: size,
  num_hidden_layers: numLayers,
  num_hidden_groups: numLayers.default(1),
  inner_group_num: numLayers.default(1),
  num_attention_heads: size,
  intermediate_size: size,
  hidden_act: z.enum(activationNames).optional(),
  hidden_dropout_prob: probability.optional(),
  attention_probs_dropout_prob: probability.optional(),
  classifier_dropout: probability.nullish(),
  classifier_dropout_prob: probability.nullish(),
  max_position_embeddings: size,
  type_vocab_size: size.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: z.int().min(0).nullish(),
  initializer_range: z.number().positive().default(0.02),
  num_labels: numLabels.nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
});

const readKeys: ReadonlySet<string> = new Set(Object.keys(schema.shape));

/** Names for classes that have none, as Hugging Face's. */
export function numberedLabels(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `LABEL_${index}`);
}

export interface ParseTextConfigOptions {
  /** Told of keys that are passed over, and that nothing is known of. */
  readonly onUnknownKeys?: ((keys: readonly string[]) => void) | undefined;
}

/**
 * Reads the object of a `config.json`.
 *
 * @param file what messages call it
 * @throws InputError naming the key, what was expected and what came; also where a key asks for another network
 */
export function parseTextConfig(
  json: unknown,
  file: string,
  { onUnknownKeys }: ParseTextConfigOptions = {},
): TextConfig {
  const modelType = (json as { readonly model_type?: unknown } | null)?.model_type;
  if (!familyNames.some((name) => name === modelType)) {
    throw new InputError(
      `${file}: model_type is ${modelType === undefined ? 'missing' : JSON.stringify(modelType)}, ` +
        `expected one of ${familyNames.join(', ')}; choose such a model`,
    );
  }
  refuseOtherArchitectures(json as Readonly<Record<string, unknown>>, file);
  const data = parseAs(schema, json, (problems) => new InputError(`${file}: ${problems}; choose another model`));
  const family = families[data.model_type];
  const hiddenDropout = data.hidden_dropout_prob ?? family.defaults.dropout;
  const config: TextConfig = {
    family: data.model_type,
    vocabSize: data.vocab_size,
    embeddingSize:
      family.projection === 'never'
        ? data.hidden_size
        : (data.embedding_size ?? family.defaults.embeddingSize ?? data.hidden_size),
    hiddenSize: data.hidden_size,
    numHiddenLayers: data.num_hidden_layers,
    numHiddenGroups: data.model_type === 'albert' ? data.num_hidden_groups : data.num_hidden_layers,
    innerGroupNum: data.model_type === 'albert' ? data.inner_group_num : 1,
    numAttentionHeads: data.num_attention_heads,
    intermediateSize: data.intermediate_size,
    hiddenAct: data.hidden_act ?? family.defaults.hiddenAct,
    hiddenDropout,
    attentionDropout: data.attention_probs_dropout_prob ?? family.defaults.dropout,
    classifierDropout: data[family.classifierDropoutKey] ?? family.defaults.classifierDropout ?? hiddenDropout,
    maxPositionEmbeddings: data.max_position_embeddings,
    typeVocabSize: data.type_vocab_size,
    layerNormEps: data.layer_norm_eps,
    padTokenId: data.pad_token_id ?? family.defaults.padTokenId,
    initializerRange: data.initializer_range,
    labels: labelNames(data, file),
  };
  if (family.positions === 'afterPadding' && data.pad_token_id === null) {
    throw new InputError(
      `${file}: pad_token_id is null, but positions of ${data.model_type} count from it; give a number`,
    );
  }
  checkConsistent(config, file);
  const unknown = unknownConfigKeys(json as Readonly<Record<string, unknown>>, readKeys);
  if (unknown.length > 0) onUnknownKeys?.(unknown);
  return config;
}

/** Versions of Hugging Face's library disagree on which of the two counts where they differ. */
function labelNames({ id2label, num_labels }: z.infer<typeof schema>, file: string): string[] {
  const count = Object.keys(id2label ?? {}).length;
  if (!id2label || count === 0) return numberedLabels(num_labels ?? 2);
  if (num_labels != null && num_labels !== count) {
    throw new InputError(`${file}: num_labels is ${num_labels}, but id2label has ${count} names; correct one of them`);
  }
  return Array.from({ length: count }, (_, index) => {
    const name = id2label[String(index)];
    if (name !== undefined) return name;
    throw new InputError(
      `${file}: id2label has ${count} names, but none for ${index}, expected them for 0 to ${count - 1}; correct it`,
    );
  });
}

function checkConsistent(config: TextConfig, file: string): void {
  const { hiddenSize, numAttentionHeads, padTokenId, vocabSize, numHiddenGroups, numHiddenLayers } = config;
  if (hiddenSize % numAttentionHeads !== 0) {
    throw new InputError(
      `${file}: hidden_size ${hiddenSize} must be a multiple of num_attention_heads ${numAttentionHeads}`,
    );
  }
  if (padTokenId >= vocabSize) {
    throw new InputError(`${file}: pad_token_id ${padTokenId} must be less than vocab_size ${vocabSize}`);
  }
  if (numHiddenGroups > numHiddenLayers) {
    throw new InputError(
      `${file}: num_hidden_groups ${numHiddenGroups} must be at most num_hidden_layers ${numHiddenLayers}`,
    );
  }
  if (maxTokens(config) < 1) {
    throw new InputError(
      `${file}: max_position_embeddings ${config.maxPositionEmbeddings} ` +
        `leaves no position after pad_token_id ${padTokenId}`,
    );
  }
}

/** The longest text that there are positions for, in tokens, special ones included. */
export function maxTokens({ family, maxPositionEmbeddings, padTokenId }: TextConfig): number {
  return families[family].positions === 'afterPadding' ? maxPositionEmbeddings - padTokenId - 1 : maxPositionEmbeddings;
}

/** The object of a `config.json` that `parseTextConfig`, and Hugging Face's library, read. */
export function toHuggingFaceConfig(config: TextConfig): Record<string, unknown> {
  const family = families[config.family];
  return {
    architectures: [family.architecture],
    model_type: config.family,
    vocab_size: config.vocabSize,
    ...(family.projection !== 'never' && { embedding_size: config.embeddingSize }),
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    ...(config.family === 'albert' && {
      num_hidden_groups: config.numHiddenGroups,
      inner_group_num: config.innerGroupNum,
    }),
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    [family.classifierDropoutKey]: config.classifierDropout,
    max_position_embeddings: config.maxPositionEmbeddings,
    type_vocab_size: config.typeVocabSize,
    layer_norm_eps: config.layerNormEps,
    pad_token_id: config.padTokenId,
    initializer_range: config.initializerRange,
    position_embedding_type: 'absolute',
    id2label: Object.fromEntries(config.labels.entries()),
    label2id: Object.fromEntries(config.labels.map((label, index) => [label, index])),
  };
}
