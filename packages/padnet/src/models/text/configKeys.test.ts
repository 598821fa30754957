import { expectClose } from '@padnet/torch/testing';
import { noGrad, scope, tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { references, sizes } from './config.references.generated.js';
import { parseTextConfig } from './config.js';
import { familyNames, type FamilyName } from './family.js';
import { SequenceClassifier } from './sequenceClassifier.js';
import { huggingFaceNames } from './weightNames.js';

/** As `config.references.py` fills the tensor of this name. */
function numbers(name: string, count: number): number[] {
  const seed = Array.from(name).reduce((sum, letter, place) => sum + (place + 1) * letter.charCodeAt(0), 0);
  const offset = Number(/norm/i.test(name) && name.endsWith('weight'));
  return Array.from(
    { length: count },
    (_, index) => offset + 0.5 * Math.sin(seed + 1.7 * index + 0.013 * index * index),
  );
}

function network(family: FamilyName, change: object): SequenceClassifier {
  const config = parseTextConfig({ model_type: family, ...sizes, ...change }, 'config.json');
  const made = new SequenceClassifier(config).eval();
  const state = made.stateDict();
  noGrad(() => {
    for (const [name, huggingFace] of huggingFaceNames(made)) {
      const target = state.get(name)!;
      target.copy_(tensor(numbers(huggingFace, target.numel), { dtype: 'float64' }).reshape(target.shape));
    }
  });
  return made;
}

describe.each(familyNames)("of %s's config.json", (family) => {
  it.each(references[family].map(({ change, logits }) => [JSON.stringify(change), { change, logits }] as const))(
    "%s gives Hugging Face's logits",
    (_, { change, logits }) => {
      scope(() => {
        const made = network(family, change);
        const pad = made.config.padTokenId;
        const int64 = (rows: number[][]) => tensor(rows, { dtype: 'int64' });
        const output = noGrad(() =>
          made.forward({
            inputIds: int64([[5, 6, 7, 8, 9, 10], [11, 12, pad, pad, pad, pad]]), // prettier-ignore
            attentionMask: int64([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]]), // prettier-ignore
            tokenTypeIds: int64([[0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0]]), // prettier-ignore
          }),
        );
        expectClose(output.logits.reshape([-1]), logits, { atol: 2e-5, rtol: 2e-5 });
      });
    },
  );

  it.each<[string, object]>([
    ['is_decoder is true: tokens of a decoder see only earlier ones', { is_decoder: true }],
    ['add_cross_attention is true: a decoder sees the output of', { add_cross_attention: true }],
    ['position_embedding_type is "relative_key": only', { position_embedding_type: 'relative_key' }],
    ['position_embedding_type is "relative_key_query": only', { position_embedding_type: 'relative_key_query' }],
    ['position_embedding_type is "alibi": only', { position_embedding_type: 'alibi' }],
    ['position_embedding_type is null: only', { position_embedding_type: null }],
    ['pruned_heads is {"0":[1]}: heads were taken out', { pruned_heads: { 0: [1] } }],
    [
      'per_layer_config is {"0":{"hidden_act":"relu"}}: its layers',
      { per_layer_config: { 0: { hidden_act: 'relu' } } },
    ],
    ['quantization_config is {"bits":8}: its weights are quantised', { quantization_config: { bits: 8 } }],
    ['compression_config is {"x":1}: its weights are compressed', { compression_config: { x: 1 } }],
    ['auto_map is {"AutoModel":"a.B"}: it is a program of its own', { auto_map: { AutoModel: 'a.B' } }],
    ['hidden_act: expected one of gelu, gelu_python', { hidden_act: 'quick_gelu' }],
    ['hidden_act: expected one of gelu, gelu_python', { hidden_act: 'gelu_10' }],
    ['hidden_act: expected one of gelu, gelu_python', { hidden_act: 'mish' }],
    ['num_labels is 5, but id2label has 3 names', { num_labels: 5 }],
    ['id2label has 2 names, but none for 0, expected them for 0 to 1', { id2label: { 1: 'a', 2: 'b' } }],
    ['id2label has 2 names, but none for 1, expected them for 0 to 1', { id2label: { 0: 'a', 5: 'b' } }],
  ])('%s … is refused', (message, change) => {
    const parse = (): unknown => parseTextConfig({ model_type: family, ...sizes, ...change }, 'my/config.json');
    expect(parse).toThrow(InputError);
    expect(parse).toThrow(`my/config.json: ${message}`);
  });

  it.each<object>([
    { is_decoder: false, add_cross_attention: null, position_embedding_type: 'absolute' },
    { pruned_heads: {}, per_layer_config: null, quantization_config: null, auto_map: { AutoTokenizer: 'a.B' } },
    { id2label: null, num_labels: 3 },
    { architectures: ['X'], transformers_version: '9.9.9', use_cache: false, label2id: { a: 0 }, top_k: 5 },
    { directionality: 'bidi', pooler_type: 'first_token_transform', summary_type: 'last', net_structure_type: 0 },
  ])('%j is passed over without a word', (change) => {
    const unknown: string[] = [];
    const onUnknownKeys = (keys: readonly string[]): void => {
      unknown.push(...keys);
    };
    const config = parseTextConfig({ model_type: family, ...sizes, ...change }, 'config.json', { onUnknownKeys });
    const plain = parseTextConfig({ model_type: family, ...sizes }, 'config.json');
    expect({ ...config, labels: config.labels.length }).toEqual({ ...plain, labels: 3 });
    expect(unknown).toEqual([]);
  });

  it('keys that nothing is known of are passed over and told, where they say something', () => {
    const unknown: (readonly string[])[] = [];
    const json = { model_type: family, ...sizes, my_note: 'x', rotary: true, off: false, none: null, empty: {} };
    parseTextConfig(json, 'config.json', { onUnknownKeys: (keys) => unknown.push(keys) });
    expect(unknown).toEqual([['my_note', 'rotary']]);
  });
});

it("pad_token_id: null is refused where RoBERTa's positions count from it", () => {
  const parse = (family: FamilyName): unknown =>
    parseTextConfig({ model_type: family, ...sizes, pad_token_id: null }, 'config.json');
  expect(() => parse('roberta')).toThrow('config.json: pad_token_id is null, but positions of roberta count from it');
  expect(parse('bert')).toMatchObject({ padTokenId: 0 });
});
