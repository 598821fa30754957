/**
 * Keys of Hugging Face's `config.json` beyond those that make a network of ours: which of them would make another one,
 * and which are known to make none. Looked up in the configurations and the code of `transformers` 2 to 5 for the four
 * families, and tried there key by key on small networks.
 */
import { InputError } from '../../errors.js';

interface RefusedKey {
  /** The behaviour that the key asks for and our network lacks. */
  readonly meaning: string;
  /** Whether a value leaves the network as it is. */
  readonly isNeutral: (value: unknown) => boolean;
}

const isOff = (value: unknown): boolean => value === null || value === false;
const isEmpty = (value: unknown): boolean =>
  isOff(value) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

const refusedKeys: Readonly<Record<string, RefusedKey>> = {
  is_decoder: { meaning: 'tokens of a decoder see only earlier ones', isNeutral: isOff },
  add_cross_attention: { meaning: 'a decoder sees the output of another network', isNeutral: isOff },
  position_embedding_type: {
    meaning: "only 'absolute' position embeddings are supported",
    isNeutral: (value) => value === 'absolute',
  },
  pruned_heads: { meaning: 'heads were taken out of its attention', isNeutral: isEmpty },
  per_layer_config: { meaning: 'its layers differ from one another', isNeutral: isEmpty },
  quantization_config: { meaning: 'its weights are quantised', isNeutral: isEmpty },
  compression_config: { meaning: 'its weights are compressed', isNeutral: isEmpty },
  auto_map: {
    meaning: 'it is a program of its own, which is not run',
    // A configuration or a tokenizer of its own computes nothing of the network.
    isNeutral: (value) => isEmpty(value) || !Object.keys(value as object).some((name) => name.includes('Model')),
  },
};

/** @throws InputError naming the first key whose value asks for another network */
export function refuseOtherArchitectures(config: Readonly<Record<string, unknown>>, file: string): void {
  for (const [key, { meaning, isNeutral }] of Object.entries(refusedKeys)) {
    const value = config[key];
    if (value === undefined || isNeutral(value)) continue;
    throw new InputError(`${file}: ${key} is ${JSON.stringify(value)}: ${meaning}; choose another model`);
  }
}

/** Keys that say nothing of how an encoder computes its logits. */
const harmlessKeys: ReadonlySet<string> = new Set([
  // Where the file comes from, and how it is stored.
  ...['architectures', 'transformers_version', 'adapter_transformers_version', '_name_or_path', 'name_or_path'],
  ...['_commit_hash', 'dtype', 'torch_dtype', 'use_bfloat16', 'finetuning_task', 'task_specific_params', 'license'],
  ...['custom_pipelines', 'model_max_length', 'tokenizer_class', 'sentence_transformers', 'language', 'revision'],
  // How Hugging Face's library runs it, with the same numbers.
  ...['use_cache', 'output_attentions', 'output_hidden_states', 'output_past', 'return_dict', 'use_return_dict'],
  ...['torchscript', 'gradient_checkpointing', 'chunk_size_feed_forward', 'attn_implementation', 'xla_device'],
  ...['_attn_implementation', '_attn_implementation_autoset', 'experts_implementation', 'tf_legacy_loss'],
  // Of heads that classify no text, and of decoders and generation.
  ...['is_encoder_decoder', 'cross_attention_hidden_size', 'tie_encoder_decoder', 'tie_word_embeddings', 'prefix'],
  ...['tie_last_hidden_states', 'problem_type', 'label2id', 'bos_token_id', 'eos_token_id', 'sep_token_id'],
  ...['cls_token_id', 'mask_token_id', 'unk_token_id', 'decoder_start_token_id', 'summary_type', 'summary_use_proj'],
  ...['summary_activation', 'summary_first_dropout', 'summary_last_dropout', 'summary_proj_to_labels', 'max_length'],
  ...['min_length', 'do_sample', 'early_stopping', 'num_beams', 'num_beam_groups', 'diversity_penalty', 'temperature'],
  ...['top_k', 'top_p', 'typical_p', 'epsilon_cutoff', 'eta_cutoff', 'repetition_penalty', 'length_penalty'],
  ...['no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'encoder_repetition_penalty', 'bad_words_ids'],
  ...['num_return_sequences', 'output_scores', 'return_dict_in_generate', 'forced_bos_token_id', 'suppress_tokens'],
  ...['forced_eos_token_id', 'remove_invalid_values', 'exponential_decay_length_penalty', 'begin_suppress_tokens'],
  ...['assistant_confidence_threshold', 'assistant_lookbehind', 'num_assistant_tokens', 'target_lookbehind'],
  ...['num_assistant_tokens_schedule', 'generator_size', 'discriminator_weight', 'generator_weight'],
  // Of the programs that the first models were trained by; no version of Hugging Face's library reads them.
  ...['directionality', 'pooler_fc_size', 'pooler_num_attention_heads', 'pooler_num_fc_layers', 'pooler_type'],
  ...['pooler_size_per_head', 'down_scale_factor', 'gap_size', 'net_structure_type', 'num_memory_blocks'],
  ...['layers_to_keep', 'vocab_file', 'embedding_hidden_size'],
  // What `savePretrained` was given to keep.
  'padnet',
]);

/**
 * Keys that nothing is known of, with a value that could mean something. They are passed over, as Hugging Face's
 * library does: many files have notes of their makers' own, and a key that adds a layer shows in the weights, which
 * have to fit.
 *
 * @param readKeys those that make our network
 */
export function unknownConfigKeys(
  config: Readonly<Record<string, unknown>>,
  readKeys: ReadonlySet<string>,
): readonly string[] {
  return Object.entries(config)
    .filter(([key, value]) => !isEmpty(value) && !readKeys.has(key) && !(key in refusedKeys) && !harmlessKeys.has(key))
    .map(([key]) => key);
}
