import { expect, it } from 'vitest';
import { backward, nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';

it('looks up rows', () => {
  const layer = new nn.Embedding({ numEmbeddings: 3, embeddingDim: 2 });
  layer.loadStateDict(new Map([['weight', tensor([[1, 2], [3, 4], [5, 6]])]])); // prettier-ignore
  expectClose(layer.forward(tensor([[2n, 0n], [2n, 1n]])), [[[5, 6], [1, 2]], [[5, 6], [3, 4]]]); // prettier-ignore
  expect(() => layer.forward(tensor([3n]))).toThrow();
});

it('has the right gradients, none for the padding row', () => {
  const layer = new nn.Embedding({ numEmbeddings: 3, embeddingDim: 2 }).to('float64');
  const indices = tensor([2n, 0n, 2n]);
  gradcheck(() => layer.forward(indices), layer.parameters());

  const padded = new nn.Embedding({ numEmbeddings: 3, embeddingDim: 2, paddingIdx: 2 });
  expectClose(padded.weight.select(0, 2), [0, 0]);
  backward(padded.forward(indices).sum());
  expectClose(padded.weight.grad!, [[1, 1], [0, 0], [0, 0]]); // prettier-ignore
});

it('refuses sizes that are none and padding that is no row', () => {
  expect(() => new nn.Embedding({ numEmbeddings: 0, embeddingDim: 2 })).toThrow('numEmbeddings must be');
  expect(() => new nn.Embedding({ numEmbeddings: 3, embeddingDim: 2, paddingIdx: 3 })).toThrow(
    'paddingIdx must be less than numEmbeddings 3, got 3',
  );
});
