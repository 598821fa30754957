/**
 * The input of the encoder: LayerNorm(word + position + token type), in ELECTRA and ALBERT projected from the
 * embeddings' size to that of the hidden states.
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import { maxTokens, type TextConfig } from './config.js';
import { families } from './family.js';

export class TextEmbeddings extends nn.Module {
  readonly wordEmbeddings: nn.Embedding;
  readonly positionEmbeddings: nn.Embedding;
  readonly tokenTypeEmbeddings: nn.Embedding;
  readonly norm: nn.LayerNorm;
  readonly dropout: nn.Dropout;
  readonly projection: nn.Linear | null;
  readonly maxTokens: number;
  private readonly padTokenId: number;
  private readonly positionsAfterPadding: boolean;

  constructor(config: TextConfig) {
    super();
    const { embeddingSize: embeddingDim, hiddenSize, padTokenId } = config;
    const { positions, projection } = families[config.family];
    this.padTokenId = padTokenId;
    this.positionsAfterPadding = positions === 'afterPadding';
    this.maxTokens = maxTokens(config);
    this.wordEmbeddings = new nn.Embedding({
      numEmbeddings: config.vocabSize,
      embeddingDim,
      paddingIdx: padTokenId,
    });
    this.positionEmbeddings = new nn.Embedding({
      numEmbeddings: config.maxPositionEmbeddings,
      embeddingDim,
      ...(this.positionsAfterPadding && { paddingIdx: padTokenId }),
    });
    this.tokenTypeEmbeddings = new nn.Embedding({ numEmbeddings: config.typeVocabSize, embeddingDim });
    this.norm = new nn.LayerNorm({ normalizedShape: embeddingDim, eps: config.layerNormEps });
    this.dropout = new nn.Dropout({ p: config.hiddenDropout });
    const projects = projection === 'always' || (projection === 'whereSizesDiffer' && embeddingDim !== hiddenSize);
    this.projection = projects ? new nn.Linear({ inFeatures: embeddingDim, outFeatures: hiddenSize }) : null;
  }

  /**
   * int64 [batch, length] → [batch, length, hiddenSize]
   *
   * @param tokenTypeIds null for zeros
   * @throws RangeError where there are more tokens than positions
   */
  forward(inputIds: Tensor, tokenTypeIds: Tensor | null): Tensor {
    const length = inputIds.shape[1]!;
    if (length > this.maxTokens) {
      throw new RangeError(`${length} tokens, but the network has positions for ${this.maxTokens}; truncate the text`);
    }
    const types = tokenTypeIds
      ? this.tokenTypeEmbeddings.forward(tokenTypeIds)
      : this.tokenTypeEmbeddings.weight.select(0, 0);
    const sum = this.wordEmbeddings.forward(inputIds).add(types).add(this.positions(inputIds, length));
    const embedded = this.dropout.forward(this.norm.forward(sum));
    return this.projection?.forward(embedded) ?? embedded;
  }

  /** [length, embeddingSize], or [batch, length, embeddingSize] where positions depend on the padding. */
  private positions(inputIds: Tensor, length: number): Tensor {
    if (!this.positionsAfterPadding) return this.positionEmbeddings.weight.narrow(0, 0, length);
    const real = ops.ne(inputIds, this.padTokenId).to('int64');
    return this.positionEmbeddings.forward(real.cumsum(1).mul(real).add(this.padTokenId));
  }
}
