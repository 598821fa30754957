import { manualSeed, noGrad, ops, rand, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { maxTokens } from './config.js';
import { familyNames } from './family.js';
import { SequenceClassifier } from './sequenceClassifier.js';
import { batch, tinyConfig } from './tiny.test.fixture.js';

describe.each(familyNames)('%s', (family) => {
  const config = tinyConfig(family);
  const pad = config.padTokenId;
  const texts = [
    [5, 6, 7, 8, 9, 10],
    [11, 12],
    [13, 14, 15],
  ] as const;
  const network = (): SequenceClassifier => {
    manualSeed(1);
    return new SequenceClassifier(config).eval();
  };

  it('gives a text the same logits and hidden states alone and padded in a batch', () => {
    scope(() => {
      const net = network();
      const together = noGrad(() => net.forward(batch(texts, pad, 9)));
      expect(together.logits.shape).toEqual([3, 3]);
      texts.forEach((text, index) => {
        const alone = noGrad(() => net.forward(batch([text], pad)));
        expectClose(together.logits.select(0, index), alone.logits.select(0, 0).toArray(), { atol: 1e-5, rtol: 1e-5 });
        const hidden = together.lastHiddenState.select(0, index).narrow(0, 0, text.length);
        expectClose(hidden.reshape([-1]), alone.lastHiddenState.reshape([-1]).toArray(), { atol: 1e-5, rtol: 1e-5 });
      });
    });
  });

  it('tells texts, orders, and first from second sentences apart', () => {
    scope(() => {
      const net = network();
      const logits = (inputs: ReturnType<typeof batch>): number[] => noGrad(() => net.forward(inputs)).logits.toArray();
      const inputs = batch([[5, 6, 7, 8]], pad);
      const first = logits(inputs);
      for (const other of [batch([[5, 6, 8, 7]], pad), batch([[5, 6, 7]], pad), { ...inputs, tokenTypeIds: null }]) {
        const difference = logits(other).map((value, index) => Math.abs(value - first[index]!));
        expect(Math.max(...difference)).toBeGreaterThan(1e-3);
      }
      const zero = { ...inputs, tokenTypeIds: zeros([1, 4], { dtype: 'int64' }) };
      expect(logits(zero)).toEqual(logits({ ...inputs, tokenTypeIds: null }));
      expect(logits({ ...inputs, attentionMask: inputs.attentionMask.to('bool') })).toEqual(first);
    });
  });

  it('draws random numbers in training with dropout alone', () => {
    scope(() => {
      const net = network().train();
      const inputs = batch(texts, pad);
      const next = (): number => {
        manualSeed(3);
        net.forward(inputs);
        return rand([1]).item();
      };
      manualSeed(3);
      const untouched = rand([1]).item();
      expect(next()).toBe(untouched);
      const dropping = new SequenceClassifier({ ...config, hiddenDropout: 0.3 });
      expect(dropping.forward(inputs).logits.toArray()).not.toEqual(dropping.forward(inputs).logits.toArray());
      const half = new SequenceClassifier({ ...config, classifierDropout: 0.5 });
      expect(half.forward(inputs).logits.toArray()).not.toEqual(half.forward(inputs).logits.toArray());
      half.eval();
      expect(half.forward(inputs).logits.toArray()).toEqual(half.forward(inputs).logits.toArray());
    });
  });

  it('gives every parameter a gradient, and none to the padding token', () => {
    scope(() => {
      const net = network();
      const { logits, auxiliaryLoss, routing } = net.forward(batch(texts, pad));
      expect(auxiliaryLoss).toBeNull();
      expect(routing).toEqual([]);
      ops.crossEntropyLoss(logits, tensor([0, 1, 2], { dtype: 'int64' })).backward();
      for (const [name, parameter] of net.namedParameters())
        expect([name, parameter.grad === null]).toEqual([name, false]);
      const row = net.embeddings.wordEmbeddings.weight.grad!.select(0, pad);
      expect(row.abs().max().item()).toBe(0);
    });
  });

  it('refuses a text that is too long', () => {
    scope(() => {
      const net = network();
      const most = maxTokens(config);
      expect(most).toBe(family === 'roberta' ? 14 : 16);
      const text = (length: number): number[] => Array.from({ length }, (_, index) => 2 + (index % 28));
      expect(noGrad(() => net.forward(batch([text(most)], pad))).logits.shape).toEqual([1, 3]);
      expect(() => net.forward(batch([text(most + 1)], pad))).toThrow(
        `${most + 1} tokens, but the network has positions for ${most}; truncate the text`,
      );
    });
  });
});

describe('fresh weights', () => {
  it('are N(0, initializer_range), biases and padding 0, norms 1 and 0', () => {
    const config = tinyConfig('bert', { vocab_size: 5000, initializer_range: 0.02 });
    const net = new SequenceClassifier(config);
    const weight = net.embeddings.wordEmbeddings.weight;
    scope(() => {
      expect(Math.abs(weight.std().item() - 0.02)).toBeLessThan(0.0005);
      expect(weight.select(0, 0).abs().max().item()).toBe(0);
      for (const [name, parameter] of net.namedParameters()) {
        if (name.endsWith('bias')) expect(parameter.abs().max().item()).toBe(0);
        else if (name.endsWith('norm.weight')) expect(parameter.toArray().every((value) => value === 1)).toBe(true);
        else expect(parameter.std().item()).toBeLessThan(0.04);
      }
    });
  });
});

describe("ALBERT's groups", () => {
  const order = (more: Readonly<Record<string, number>>): readonly number[] =>
    new SequenceClassifier(tinyConfig('albert', more)).encoder.order;

  it('share their layers', () => {
    expect(order({ num_hidden_layers: 3 })).toEqual([0, 0, 0]);
    expect(order({ num_hidden_layers: 4, num_hidden_groups: 2, inner_group_num: 2 })).toEqual([0, 1, 0, 1, 2, 3, 2, 3]);
    expect(order({ num_hidden_layers: 3, num_hidden_groups: 2 })).toEqual([0, 0, 1]);
    // int(9 / (18 / 14)) is 6 in Python, since 18 / 14 is rounded up; 9 · 14 / 18 is 7.
    expect(order({ num_hidden_layers: 18, num_hidden_groups: 14 })[9]).toBe(6);
  });

  it('compute what as many layers with copies of the weights do', () => {
    scope(() => {
      manualSeed(5);
      const shared = new SequenceClassifier(tinyConfig('albert')).eval();
      const apart = new SequenceClassifier(tinyConfig('albert', { num_hidden_groups: 3 })).eval();
      const copies = new Map<string, Tensor>();
      for (const name of apart.stateDict().keys()) {
        copies.set(name, shared.stateDict().get(name.replace(/layers\.\d/, 'layers.0'))!);
      }
      apart.loadStateDict(copies);
      expect(apart.parameters().length - shared.parameters().length).toBe(2 * 16);
      const inputs = batch([[3, 4, 5], [6, 7]], 0); // prettier-ignore
      expect(apart.forward(inputs).logits.toArray()).toEqual(shared.forward(inputs).logits.toArray());
    });
  });
});
