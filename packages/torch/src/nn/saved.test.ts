import { expect, it } from 'vitest';
import { decodeTorchArchive, nn, scope, type Tensor } from '../index.js';
import { expectClose } from '../testing/index.js';
import { ramp } from './ramp.fixture.js';
import { references } from './references.generated.js';

/** As `Saved` of `references.py`. */
class Saved extends nn.Module {
  readonly lstm = new nn.LSTM({ inputSize: 2, hiddenSize: 3, numLayers: 2, bidirectional: true });
  readonly gru = new nn.GRU({ inputSize: 6, hiddenSize: 4 });
  readonly attention = new nn.MultiheadAttention({ embedDim: 4, numHeads: 2 });
  readonly up = new nn.ConvTranspose1d({ inChannels: 4, outChannels: 4, kernelSize: 2 });
  readonly norm = new nn.GroupNorm({ numGroups: 2, numChannels: 4 });

  forward(input: Tensor): Tensor {
    const [recurrent] = this.gru.forward(this.lstm.forward(input)[0]);
    const [attended] = this.attention.forward(recurrent, recurrent, recurrent);
    return this.norm.forward(this.up.forward(attended.permute([1, 2, 0])));
  }
}

it('recurrent, attention, transposed and group-norm layers that PyTorch saved are loaded, and compute the same', () => {
  scope(() => {
    const network = new Saved().to('float64');
    network.loadStateDict(decodeTorchArchive(Buffer.from(references.saved.file, 'base64')));
    expectClose(network.forward(ramp(3, 2, 2)).reshape([-1]), references.saved.output, { atol: 1e-12, rtol: 1e-10 });
    expect(network.stateDict().size).toBe(16 + 4 + 4 + 2 + 2);
  });
});
