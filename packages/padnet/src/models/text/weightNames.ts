/** How Hugging Face's weight files name the tensors of our networks. */
import type { TextConfig } from './config.js';
import { families, familyNames, type FamilyName } from './family.js';

export interface WeightName {
  /** In our state dict. */
  readonly name: string;
  readonly huggingFace: string;
  /** A head may be missing from a file: pretrained encoders have none, or another. */
  readonly part: 'body' | 'head';
}

/** Our module paths and Hugging Face's; those of layers are relative to the layer. */
interface NameTable {
  readonly body: readonly (readonly [ours: string, huggingFace: string])[];
  readonly layer: readonly (readonly [ours: string, huggingFace: string])[];
  readonly head: readonly (readonly [ours: string, huggingFace: string])[];
  readonly layerPath: (index: number, config: TextConfig) => string;
}

const embeddings = (prefix: string): NameTable['body'] => [
  ['embeddings.word_embeddings', `${prefix}.embeddings.word_embeddings`],
  ['embeddings.position_embeddings', `${prefix}.embeddings.position_embeddings`],
  ['embeddings.token_type_embeddings', `${prefix}.embeddings.token_type_embeddings`],
  ['embeddings.norm', `${prefix}.embeddings.LayerNorm`],
];

const bertLayer: NameTable['layer'] = [
  ['attention.query', 'attention.self.query'],
  ['attention.key', 'attention.self.key'],
  ['attention.value', 'attention.self.value'],
  ['attention.output', 'attention.output.dense'],
  ['attention.norm', 'attention.output.LayerNorm'],
  ['feed_forward.intermediate', 'intermediate.dense'],
  ['feed_forward.output', 'output.dense'],
  ['norm', 'output.LayerNorm'],
];

const albertLayer: NameTable['layer'] = [
  ['attention.query', 'attention.query'],
  ['attention.key', 'attention.key'],
  ['attention.value', 'attention.value'],
  ['attention.output', 'attention.dense'],
  ['attention.norm', 'attention.LayerNorm'],
  ['feed_forward.intermediate', 'ffn'],
  ['feed_forward.output', 'ffn_output'],
  ['norm', 'full_layer_layer_norm'],
];

const denseHead: NameTable['head'] = [
  ['head.dense', 'classifier.dense'],
  ['head.output', 'classifier.out_proj'],
];

const tables: Readonly<Record<FamilyName, NameTable>> = {
  bert: {
    body: embeddings('bert'),
    layer: bertLayer,
    head: [
      ['head.dense', 'bert.pooler.dense'],
      ['head.output', 'classifier'],
    ],
    layerPath: (index) => `bert.encoder.layer.${index}`,
  },
  roberta: {
    body: embeddings('roberta'),
    layer: bertLayer,
    head: denseHead,
    layerPath: (index) => `roberta.encoder.layer.${index}`,
  },
  albert: {
    body: [...embeddings('albert'), ['embeddings.projection', 'albert.encoder.embedding_hidden_mapping_in']],
    layer: albertLayer,
    head: [
      ['head.dense', 'albert.pooler'],
      ['head.output', 'classifier'],
    ],
    layerPath: (index, { innerGroupNum }) => {
      const group = Math.floor(index / innerGroupNum);
      return `albert.encoder.albert_layer_groups.${group}.albert_layers.${index % innerGroupNum}`;
    },
  },
  electra: {
    body: [...embeddings('electra'), ['embeddings.projection', 'electra.embeddings_project']],
    layer: bertLayer,
    head: denseHead,
    layerPath: (index) => `electra.encoder.layer.${index}`,
  },
};

/**
 * The tensors of a static network, as the file has them.
 *
 * @param state the names in its state dict
 * @throws RangeError for a tensor that Hugging Face has no name for (of a mixture of experts, say)
 */
export function weightNames(config: TextConfig, state: Iterable<string>): WeightName[] {
  const table = tables[config.family];
  const parts = { body: new Map(table.body), layer: new Map(table.layer), head: new Map(table.head) };
  return Array.from(state, (name) => {
    const [path, tensor] = splitLast(name);
    const layer = /^encoder\.layers\.(\d+)\.(.+)$/.exec(path);
    const inLayer = layer && parts.layer.get(layer[2]!);
    const found = inLayer ? `${table.layerPath(Number(layer[1]), config)}.${inLayer}` : parts.body.get(path);
    const inHead = parts.head.get(path);
    const module = found ?? inHead;
    if (module === undefined) {
      throw new RangeError(`'${name}' has no name in Hugging Face's ${families[config.family].architecture}`);
    }
    return { name, huggingFace: `${module}.${tensor}`, part: inHead ? 'head' : 'body' };
  });
}

/** Hugging Face's names of the tensors of a static network, by our own. @throws RangeError as `weightNames` */
export function huggingFaceNames(network: {
  readonly config: TextConfig;
  stateDict(): ReadonlyMap<string, unknown>;
}): Map<string, string> {
  const names = weightNames(network.config, network.stateDict().keys());
  return new Map(names.map(({ name, huggingFace }) => [name, huggingFace]));
}

function splitLast(name: string): [path: string, tensor: string] {
  const dot = name.lastIndexOf('.');
  return [name.slice(0, dot), name.slice(dot + 1)];
}

/**
 * The name of the word embeddings of every encoder, after the name of its family or, in a bare one's file, without it.
 */
const wordEmbeddings = new RegExp(
  `^(|.*?\\.)(?:(?:${familyNames.join('|')})\\.)?embeddings\\.word_embeddings\\.weight$`,
);

/**
 * The prefix that a file puts before the names of an encoder, told by its word embeddings; null for any other tensor.
 */
export function prefixOfEncoder(name: string): string | null {
  const match = wordEmbeddings.exec(name);
  if (!match) return null;
  const [, prefix = ''] = match;
  return prefix;
}

/** Modules that a bare encoder's file has without the family's prefix. */
const bodyRoots = /^(embeddings|encoder|pooler|embeddings_project)\./;

/** The other families' heads, heads of other tasks, and what is no weight; RoBERTa and ELECTRA use no pooler. */
const ignored = [
  /(^|\.)(position_ids|token_type_ids)$/,
  /^(cls|lm_head|predictions|sop_classifier|qa_outputs|classifier|discriminator_predictions|generator\w*)\./,
  /^(roberta|electra)\.pooler\./,
];

/**
 * A tensor's name as today's Hugging Face files of sequence classifiers have it: with the family's prefix, and norms
 * with `weight` and `bias` where old files say `gamma` and `beta`.
 */
export function modernName(name: string, family: FamilyName): string {
  const renamed = name
    .replace(/(LayerNorm|layer_norm)\.gamma$/, '$1.weight')
    .replace(/(LayerNorm|layer_norm)\.beta$/, '$1.bias');
  return bodyRoots.test(renamed) ? `${family}.${renamed}` : renamed;
}

/** Whether a tensor that a sequence classifier does not have may be there all the same. */
export function isIgnored(huggingFace: string): boolean {
  return ignored.some((pattern) => pattern.test(huggingFace));
}
