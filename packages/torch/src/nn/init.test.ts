import { describe, expect, it } from 'vitest';
import { empty, Generator, manualSeed, nn } from '../index.js';
import { expectClose } from '../testing/index.js';
import { references } from './references.generated.js';

/** The state that `build` initialises after `manualSeed(0)`, by name. */
function initial(build: () => nn.Module): Record<string, number[]> {
  manualSeed(0);
  return Object.fromEntries(Array.from(build().stateDict(), ([name, value]) => [name, value.toArray()]));
}

describe('after manualSeed(0) layers start as those of PyTorch', () => {
  it('bit for bit where the numbers are uniform', () => {
    expect(initial(() => new nn.Linear({ inFeatures: 5, outFeatures: 3 }))).toEqual(references.initial.linear);
    expect(initial(() => new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: [2, 3], groups: 2 }))).toEqual(
      references.initial.conv2d,
    );
    expect(
      initial(
        () =>
          new nn.Sequential(
            new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 2, bias: false }),
            new nn.Linear({ inFeatures: 7, outFeatures: 2 }),
          ),
      ),
    ).toEqual(references.initial.conv2dThenLinear);
    const { convTranspose2d, attention, attentionDimensions, lstm, lstmProjected, gru } = references.initial;
    expect(initial(() => new nn.ConvTranspose2d({ inChannels: 2, outChannels: 4, kernelSize: 3, groups: 2 }))).toEqual(
      convTranspose2d,
    );
    const heads = { embedDim: 4, numHeads: 2 };
    expect(initial(() => new nn.MultiheadAttention(heads))).toEqual(attention);
    expect(initial(() => new nn.MultiheadAttention({ ...heads, kdim: 3, vdim: 2 }))).toEqual(attentionDimensions);
    const sizes = { inputSize: 3, hiddenSize: 2 };
    expect(initial(() => new nn.LSTM({ ...sizes, numLayers: 2, bidirectional: true }))).toEqual(lstm);
    expect(initial(() => new nn.LSTM({ ...sizes, hiddenSize: 4, projSize: 2 }))).toEqual(lstmProjected);
    expect(initial(() => new nn.GRU(sizes))).toEqual(gru);
  });

  it('to the last digits where they are normal: libtorch vectorises its logarithm by processor', () => {
    manualSeed(0);
    const small = new nn.Embedding({ numEmbeddings: 4, embeddingDim: 3 });
    expectClose(small.weight.reshape([-1]), references.initial.smallEmbedding.weight, { atol: 1e-6, rtol: 0 });
    manualSeed(0);
    const large = new nn.Embedding({ numEmbeddings: 6, embeddingDim: 3, paddingIdx: 1 });
    expectClose(large.weight.reshape([-1]), references.initial.embedding.weight, { atol: 1e-6, rtol: 0 });
  });
});

describe('init', () => {
  it('counts the kernel in both fans', () => {
    expect(nn.init.fanInAndOut([8, 4, 3, 3])).toEqual({ fanIn: 36, fanOut: 72 });
    expect(() => nn.init.fanInAndOut([8])).toThrow('at least two dimensions, got [8]');
  });

  it('draws from the generator that it is given', () => {
    const draw = () => nn.init.kaimingNormal_(empty([50, 40]), 'fanIn', new Generator(3));
    expect(draw().toArray()).toEqual(draw().toArray());
    const [deviation] = [draw().std().item()];
    expect(deviation).toBeGreaterThan(Math.sqrt(2 / 40) * 0.95);
    expect(deviation).toBeLessThan(Math.sqrt(2 / 40) * 1.05);
  });
});
