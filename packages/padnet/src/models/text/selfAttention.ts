/**
 * Multi-head self-attention with its residual and norm (Vaswani et al. 2017), post-norm as in BERT:
 *
 *     LayerNorm(x + output(softmax(Q Kᵀ / √d + bias) V))
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import type { TextConfig } from './config.js';

export class SelfAttention extends nn.Module {
  readonly query: nn.Linear;
  readonly key: nn.Linear;
  readonly value: nn.Linear;
  readonly output: nn.Linear;
  readonly norm: nn.LayerNorm;
  readonly probabilityDropout: nn.Dropout;
  readonly outputDropout: nn.Dropout;
  readonly numHeads: number;

  constructor(config: TextConfig) {
    super();
    const { hiddenSize } = config;
    const linear = (): nn.Linear => new nn.Linear({ inFeatures: hiddenSize, outFeatures: hiddenSize });
    this.query = linear();
    this.key = linear();
    this.value = linear();
    this.output = linear();
    this.norm = new nn.LayerNorm({ normalizedShape: hiddenSize, eps: config.layerNormEps });
    this.probabilityDropout = new nn.Dropout({ p: config.attentionDropout });
    this.outputDropout = new nn.Dropout({ p: config.hiddenDropout });
    this.numHeads = config.numAttentionHeads;
  }

  /**
   * @param hidden [batch, length, hiddenSize]
   * @param bias [batch × heads, 1, length], added to the scores: the dtype's lowest number for keys that are padding
   */
  forward(hidden: Tensor, bias: Tensor): Tensor {
    const [batch = 0, length = 0, hiddenSize = 0] = hidden.shape;
    const { numHeads } = this;
    const headSize = hiddenSize / numHeads;
    const split = (x: Tensor): Tensor =>
      x
        .reshape([batch, length, numHeads, headSize])
        .transpose(1, 2)
        .reshape([batch * numHeads, length, headSize]);
    const query = split(this.query.forward(hidden));
    const key = split(this.key.forward(hidden));
    const value = split(this.value.forward(hidden));
    const scores = ops.baddbmm(bias, query, key.transpose(1, 2), { alpha: headSize ** -0.5 });
    const context = this.probabilityDropout.forward(ops.softmax(scores, -1)).bmm(value);
    const merged = context.reshape([batch, numHeads, length, headSize]).transpose(1, 2).reshape(hidden.shape);
    return this.norm.forward(this.outputDropout.forward(this.output.forward(merged)).add(hidden));
  }
}

const lowest = {
  float64: -Number.MAX_VALUE,
  float32: -3.4028234663852886e38,
  float16: -65504,
  bfloat16: -3.3895313892515355e38,
} as const;

/**
 * The `bias` of every attention of one forward pass.
 *
 * @param tokenMask bool [batch, length], true for real tokens
 */
export function attentionBias(tokenMask: Tensor, numHeads: number, dtype: Tensor['dtype']): Tensor {
  if (!(dtype in lowest)) throw new RangeError(`attention needs a floating dtype, got ${dtype}`);
  const [batch = 0, length = 0] = tokenMask.shape;
  const masked = ops
    .zeros([batch, 1, 1, length], { dtype, device: tokenMask.device })
    .maskedFill(tokenMask.logicalNot().reshape([batch, 1, 1, length]), lowest[dtype as keyof typeof lowest]);
  return masked.expand([batch, numHeads, 1, length]).reshape([batch * numHeads, 1, length]);
}
