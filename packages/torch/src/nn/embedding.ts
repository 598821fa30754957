/** Row `i` of a table for each index i, as `torch.nn.Embedding`: int64 [...] → [..., embeddingDim]. */
import { noGrad } from '../autograd.js';
import { empty } from '../creation.js';
import { embedding } from '../ops.generated.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { checkWhole } from './checks.js';
import { normal_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface EmbeddingOptions {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** The index whose row starts as zeros and gets no gradient. @default none */
  readonly paddingIdx?: number;
}

/** The table starts as N(0, 1). */
export class Embedding extends Module {
  /** [numEmbeddings, embeddingDim] */
  readonly weight: Parameter;
  readonly paddingIdx: number | null;

  /** @throws RangeError where a size is no whole number of at least 1, or paddingIdx no row */
  constructor({ numEmbeddings, embeddingDim, paddingIdx }: EmbeddingOptions) {
    super();
    checkWhole('numEmbeddings', numEmbeddings, 1);
    checkWhole('embeddingDim', embeddingDim, 1);
    this.weight = new Parameter(normal_(empty([numEmbeddings, embeddingDim]), 0, 1));
    this.paddingIdx = paddingIdx ?? null;
    if (paddingIdx !== undefined) {
      checkWhole('paddingIdx', paddingIdx, 0);
      if (paddingIdx >= numEmbeddings) {
        throw new RangeError(`paddingIdx must be less than numEmbeddings ${numEmbeddings}, got ${paddingIdx}`);
      }
      scope(() => noGrad(() => this.weight.select(0, paddingIdx).zero_()));
    }
  }

  /** @throws where an index is no row of the table */
  forward(indices: Tensor): Tensor {
    return embedding(this.weight, indices, { paddingIdx: this.paddingIdx ?? -1 });
  }
}
