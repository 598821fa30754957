/**
 * A GLUE task, an encoder and its tokenizer that are small enough to train in a second, for the tests of this folder.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manualSeed } from '@padnet/torch';
import { parseTextConfig, savePretrained, SequenceClassifier } from '../models/index.js';
import { textRecipeSchema, type TextRecipe } from '../recipe/recipe.js';

const words = ['the', 'cat', 'dog', 'sat', 'ran', 'red', 'blue', 'a', 'on', 'mat'];
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words];

/** RTE's files: a second sentence with a cat follows, one with a dog does not. */
export function writeTexts(folder: string, { train = 48, dev = 24 } = {}): void {
  const rte = join(folder, 'RTE');
  mkdirSync(rte, { recursive: true });
  for (const [name, count] of [
    ['train', train],
    ['dev', dev],
  ] as const) {
    const rows = Array.from({ length: count }, (_, index) => {
      const animal = index % 2 === 0 ? 'cat' : 'dog';
      const follows = Math.floor(index / 2) % 2 === 0;
      const rest = words.slice(0, 1 + (index % words.length)).join(' ');
      return (
        `${index}\tthe ${animal} ${rest}\t` +
        `the ${follows ? 'cat' : 'dog'}\t${follows ? 'entailment' : 'not_entailment'}`
      );
    });
    writeFileSync(join(rte, `${name}.tsv`), ['index\tsentence1\tsentence2\tlabel', ...rows, ''].join('\n'));
  }
}

/** A BERT of two layers with fresh weights, as Hugging Face's library would leave it. */
export function writeEncoder(folder: string, changes: Readonly<Record<string, unknown>> = {}): void {
  mkdirSync(folder, { recursive: true });
  const config = {
    model_type: 'bert',
    vocab_size: vocabulary.length,
    hidden_size: 8,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 16,
    max_position_embeddings: 32,
    pad_token_id: 0,
    ...changes,
  };
  manualSeed(5);
  savePretrained(folder, new SequenceClassifier(parseTextConfig(config, 'config.json')));
  writeFileSync(join(folder, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
}

/** A recipe for both, in `<folder>/glue` and `<folder>/encoder`. */
export function smallTextRecipe(
  folder: string,
  layer: TextRecipe['model']['layer'],
  changes: {
    readonly model?: Partial<TextRecipe['model']>;
    readonly data?: Partial<TextRecipe['data']>;
    readonly training?: Partial<TextRecipe['training']>;
    readonly partition?: Partial<TextRecipe['partition']>;
  } = {},
): TextRecipe {
  return textRecipeSchema.parse({
    modality: 'text',
    model: { pretrained: join(folder, 'encoder'), layer, numExperts: 3, k: 2, ...changes.model },
    data: { task: 'rte', path: join(folder, 'glue'), batchSize: 8, ...changes.data },
    training: { epochs: 2, learningRate: 2e-3, ...changes.training },
    ...(layer === 'partial' && { partition: { ratio: 0.5, rounds: 2, batches: 2, epoch: 0.5, ...changes.partition } }),
  });
}
