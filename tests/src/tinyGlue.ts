/** GLUE in miniature, and an encoder of a few numbers: a fine-tuning run takes about a second. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manualSeed } from '@padnet/torch';
import { parseTextConfig, savePretrained, SequenceClassifier } from 'padnet';

const words = 'good fine nice bad poor sad film plot cast song'.split(' ');
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** BERT with random weights, as a folder of Hugging Face's. */
export function writeTinyEncoder(folder: string, { layers = 2 } = {}): void {
  mkdirSync(folder, { recursive: true });
  const config = {
    model_type: 'bert',
    vocab_size: special.length + words.length,
    hidden_size: 16,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 16,
    initializer_range: 0.5,
  };
  manualSeed(1);
  savePretrained(folder, new SequenceClassifier(parseTextConfig(config, 'config.json')));
  writeFileSync(join(folder, 'vocab.txt'), `${[...special, ...words].join('\n')}\n`);
}

/** RTE (do the sentences share a word?) and STS-B (how alike are they, 0 or 5?). */
export function writeTinyGlue(folder: string, { train = 48, dev = 24 } = {}): void {
  for (const [split, rows] of [
    ['train', train],
    ['dev', dev],
  ] as const) {
    const pairs = Array.from({ length: rows }, (_, row) => {
      const pick = (offset: number): string =>
        words[(7 * row + 3 * offset + (split === 'dev' ? 2 : 0)) % words.length]!;
      const isAlike = row % 3 !== 0;
      return { first: `${pick(0)} ${pick(1)}`, second: `${isAlike ? pick(0) : pick(2)} ${pick(3)}`, isAlike };
    });
    const lines = {
      RTE: [
        'index\tsentence1\tsentence2\tlabel',
        ...pairs.map(
          ({ first, second, isAlike }, row) => `${row}\t${first}\t${second}\t${isAlike ? '' : 'not_'}entailment`,
        ),
      ],
      'STS-B': [
        'index\tsentence1\tsentence2\tscore',
        ...pairs.map(({ first, second, isAlike }, row) => `${row}\t${first}\t${second}\t${isAlike ? 5 : row % 2}`),
      ],
    };
    for (const [task, text] of Object.entries(lines)) {
      mkdirSync(join(folder, task), { recursive: true });
      writeFileSync(join(folder, task, `${split}.tsv`), `${text.join('\n')}\n`);
    }
  }
}

/** `<task>-pad50.yaml` for each task. */
export function writeTinyGlueRecipes(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const task of ['rte', 'stsb']) {
    const recipe = `
modality: text
model:
  pretrained: encoder
  layer: partial
  numExperts: 2
  k: 1
data:
  task: ${task}
  path: glue
  batchSize: 8
training:
  epochs: 2
  learningRate: 0.003
partition:
  ratio: 0.5
  rounds: 1
  batches: 2
`;
    writeFileSync(join(folder, `${task}-pad50.yaml`), recipe);
  }
}
