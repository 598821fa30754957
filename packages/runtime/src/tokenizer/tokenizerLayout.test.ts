import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { tokenizerLayout } from './tokenizerLayout.js';

const ids = new Map(Object.entries({ '[CLS]': 2, '[SEP]': 3, '<s>': 0, '</s>': 5 }));
const layout = (postProcessor: unknown) => tokenizerLayout(postProcessor, (token) => ids.get(token), 'tokenizer.json');

const token = (id: number, type: number) => ({ kind: 'token', id, type });
const sentence = (which: string, type: number) => ({ kind: 'sentence', which, type });

const bertProcessing = { type: 'BertProcessing', cls: ['[CLS]', 2], sep: ['[SEP]', 3] };
const robertaProcessing = { type: 'RobertaProcessing', cls: ['<s>', 0], sep: ['</s>', 5], trim_offsets: true };
const item = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
const template = {
  type: 'TemplateProcessing',
  single: [item('[CLS]', 0), sequence('A', 0), item('[SEP]', 0)],
  pair: [item('[CLS]', 0), sequence('A', 0), item('[SEP]', 0), sequence('B', 1), item('[SEP]', 1)],
};

const bertSingle = [token(2, 0), sentence('first', 0), token(3, 0)];
const bert = { single: bertSingle, pair: [...bertSingle, sentence('second', 1), token(3, 1)] };
const robertaSingle = [token(0, 0), sentence('first', 0), token(5, 0)];
const roberta = { single: robertaSingle, pair: [...robertaSingle, token(5, 0), sentence('second', 0), token(5, 0)] };

describe('tokenizerLayout', () => {
  it('is [CLS] a [SEP] b [SEP] with types 0 and 1 for BERT, ALBERT and ELECTRA', () => {
    expect(layout(bertProcessing)).toEqual(bert);
    expect(layout(template)).toEqual(bert);
  });

  it('is <s> a </s></s> b </s> with type 0 for RoBERTa', () => {
    expect(layout(robertaProcessing)).toEqual(roberta);
    expect(layout({ type: 'Sequence', processors: [{ type: 'ByteLevel' }, robertaProcessing] })).toEqual(roberta);
  });

  it('takes what a special token of a template stands for', () => {
    const special_tokens = { X: { id: 'X', ids: [2, 3], tokens: ['[CLS]', '[SEP]'] } };
    const single = [item('X', 0), sequence('A', 0)];
    expect(layout({ type: 'TemplateProcessing', single, pair: single, special_tokens }).single).toEqual([
      token(2, 0),
      token(3, 0),
      sentence('first', 0),
    ]);
    const wrong = { X: { ...special_tokens.X, ids: [2, 4] } };
    expect(() => layout({ type: 'TemplateProcessing', single, pair: single, special_tokens: wrong })).toThrow(
      'tokenizer.json: post_processor has id 4 for "[SEP]", the vocabulary 3',
    );
  });

  it.each([
    [{ ...bertProcessing, sep: ['[SEP]', 7] }, 'post_processor has id 7 for "[SEP]", the vocabulary 3'],
    [null, 'post_processor is null, expected TemplateProcessing, BertProcessing or RobertaProcessing'],
    [{ type: 'ByteLevel' }, 'post_processor is ByteLevel, expected'],
    [{ type: 'Sequence', processors: [bertProcessing, template] }, 'post_processor is Sequence, expected'],
    [{ ...bertProcessing, cls: ['[CLASS]', 2] }, 'post_processor names "[CLASS]", expected a token of the vocabulary'],
    [{ ...bertProcessing, sep: undefined }, 'post_processor names undefined, expected a token of the vocabulary'],
    [{ ...template, pair: undefined }, 'expected post_processor.pair to be a list'],
    [{ ...template, single: [sequence('C', 0)] }, 'post_processor.single holds {"Sequence":{"id":"C","type_id":0}}'],
  ])('refuses %j', (postProcessor, message) => {
    expect(() => layout(postProcessor)).toThrow(InputError);
    expect(() => layout(postProcessor)).toThrow(`tokenizer.json: ${message}`);
  });
});
