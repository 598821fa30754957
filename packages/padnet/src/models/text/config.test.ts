import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { parseTextConfig, toHuggingFaceConfig } from './config.js';
import { familyNames } from './family.js';
import { tinyConfig, tinyConfigJson } from './tiny.test.fixture.js';

describe('config.json', () => {
  it.each(familyNames)('of %s is read and written', (family) => {
    const config = tinyConfig(family, { id2label: { 1: 'no', 0: 'yes' }, num_labels: undefined, unknown: [1] });
    expect(config.labels).toEqual(['yes', 'no']);
    expect(parseTextConfig(JSON.parse(JSON.stringify(toHuggingFaceConfig(config))), 'again')).toEqual(config);
  });

  it("takes Hugging Face's defaults where it is silent", () => {
    // prettier-ignore
    const sizes = [
      'vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size',
      'max_position_embeddings',
    ];
    const of = (family: string, more = {}) => {
      const json = tinyConfigJson('bert');
      return parseTextConfig(
        { model_type: family, ...Object.fromEntries(sizes.map((key) => [key, json[key]])), ...more },
        'config.json',
      );
    };
    expect(of('bert')).toMatchObject({ hiddenAct: 'gelu', hiddenDropout: 0.1, classifierDropout: 0.1, padTokenId: 0 });
    expect(of('bert', { hidden_dropout_prob: 0.3 }).classifierDropout).toBe(0.3);
    expect(of('bert', { classifier_dropout: 0.2, classifier_dropout_prob: 0.4 }).classifierDropout).toBe(0.2);
    expect(of('bert').labels).toEqual(['LABEL_0', 'LABEL_1']);
    expect(of('bert', { num_labels: 1 }).labels).toEqual(['LABEL_0']);
    expect(of('roberta')).toMatchObject({ padTokenId: 1, embeddingSize: 8, numHiddenGroups: 3, layerNormEps: 1e-12 });
    expect(of('albert')).toMatchObject({ hiddenAct: 'gelu_new', hiddenDropout: 0, classifierDropout: 0.1 });
    expect(of('albert')).toMatchObject({ embeddingSize: 128, numHiddenGroups: 1, innerGroupNum: 1 });
    expect(of('electra')).toMatchObject({ embeddingSize: 128, hiddenAct: 'gelu' });
  });

  it.each<[string, Record<string, unknown>]>([
    [
      'model_type is "gpt2", expected one of bert, roberta, albert, electra; choose such a model',
      { model_type: 'gpt2' },
    ],
    ['model_type is missing', { model_type: undefined }],
    ['hidden_act: expected one of gelu, ', { hidden_act: 'mish' }],
    ['hidden_size 9 must be a multiple of num_attention_heads 2', { hidden_size: 9 }],
    ['pad_token_id 30 must be less than vocab_size 30', { pad_token_id: 30 }],
    [
      'vocab_size: missing; expected a whole number from 1 to 16777216; choose another model',
      { vocab_size: undefined },
    ],
    ['hidden_dropout_prob: expected a number from 0 to 1, got 2', { hidden_dropout_prob: 2 }],
    ['num_hidden_layers: expected a whole number from 1 to 256, got 1000000000', { num_hidden_layers: 1e9 }],
    ['num_labels: expected a whole number from 1 to 65536 or null, got 1000000000', { num_labels: 1e9 }],
    ['vocab_size: expected a whole number from 1 to 16777216, got 4503599627370496', { vocab_size: 2 ** 52 }],
  ])('%s', (message, change) => {
    const parse = (): unknown => parseTextConfig({ ...tinyConfigJson('bert'), ...change }, 'my/config.json');
    expect(parse).toThrow(InputError);
    expect(parse).toThrow(`my/config.json: ${message}`);
  });

  it('with more groups than layers, or no position to use, is refused', () => {
    expect(() => tinyConfig('albert', { num_hidden_groups: 4 })).toThrow('num_hidden_groups 4 must be at most');
    expect(() => tinyConfig('roberta', { max_position_embeddings: 2 })).toThrow(
      'leaves no position after pad_token_id 1',
    );
    expect(() => parseTextConfig([], 'x')).toThrow('x: model_type is missing');
  });
});
