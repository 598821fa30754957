/** Cross-entropy with label smoothing, and mix-up (Zhang et al. 2017). */
import { ops, tensor, type nn, type Tensor } from '@padnet/torch';

/** Mean over the batch: logits [batch, classes], labels [batch] (int64) → scalar. */
export function classificationLoss(logits: Tensor, labels: Tensor, labelSmoothing = 0): Tensor {
  return ops.crossEntropyLoss(logits, labels, { labelSmoothing });
}

/**
 * The loss of pictures mixed in pairs: x = λ·x_i + (1 − λ)·x_j with λ ~ Beta(α, α), one λ a batch, and the same mixture of
 * the two losses. Draws from the default generator.
 *
 * @param images [batch, channels, height, width]
 * @param alpha α; 0: no mix-up
 */
export function mixupLoss(
  network: Pick<nn.Layer, 'forward'>,
  images: Tensor,
  labels: Tensor,
  { alpha = 0, labelSmoothing = 0 } = {},
): Tensor {
  if (alpha === 0) return classificationLoss(network.forward(images), labels, labelSmoothing);
  const lambda = ops
    ._sampleDirichlet(tensor([alpha, alpha]))
    .select(0, 0)
    .item();
  const partner = ops.randperm(images.shape[0]!, { dtype: 'int64' }).to(images.device);
  const mixed = images.mul(lambda).add(images.indexSelect(0, partner), { alpha: 1 - lambda });
  const logits = network.forward(mixed);
  const own = classificationLoss(logits, labels, labelSmoothing).mul(lambda);
  return own.add(classificationLoss(logits, labels.indexSelect(0, partner), labelSmoothing), { alpha: 1 - lambda });
}
