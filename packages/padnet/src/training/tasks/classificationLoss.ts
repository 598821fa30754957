/** Cross-entropy with label smoothing, mix-up (Zhang et al. 2017) and CutMix (Yun et al. 2019). */
import { ops, tensor, type nn, type Tensor } from '@padnet/torch';
import { rowsOfAll, sharedBatch } from '@padnet/torch/distributed';

/** Mean over the batch, 0 of an empty one: logits [batch, classes], labels [batch] (int64) → scalar. */
export function classificationLoss(logits: Tensor, labels: Tensor, labelSmoothing = 0): Tensor {
  if (logits.shape[0] === 0) return logits.sum();
  return ops.crossEntropyLoss(logits, labels, { labelSmoothing });
}

/**
 * The loss of pictures mixed in pairs, and the same mixture of the two losses: λ of the picture itself and 1 − λ of the
 * other, with one λ ~ Beta(α, α) a batch. Mix-up: x = λ·x_i + (1 − λ)·x_j. CutMix: a rectangle of about 1 − λ of the
 * area comes from x_j, and λ is what is left. With both, a batch gets one of them, each with probability ½. Draws from
 * the default generator; under a shared batch for all of it, the same on all ranks, and a rank mixes its own pictures.
 *
 * @param images [batch, channels, height, width]
 * @param options `mixup` and `cutmix`: α, 0 for none
 */
export function mixedLoss(
  network: Pick<nn.Layer, 'forward'>,
  images: Tensor,
  labels: Tensor,
  { mixup = 0, cutmix = 0, labelSmoothing = 0 } = {},
): Tensor {
  if (mixup === 0 && cutmix === 0) return classificationLoss(network.forward(images), labels, labelSmoothing);
  const cuts = cutmix > 0 && (mixup === 0 || drawBelow(2) === 1);
  const lambda = drawBeta(cuts ? cutmix : mixup);
  const partner = drawPartners(images.shape[0]!).to(images.device);
  const others = images.indexSelect(0, partner);
  const { mixed, share } = cuts
    ? cutAndPaste(images, others, lambda)
    : { mixed: images.mul(lambda).add(others, { alpha: 1 - lambda }), share: lambda };
  const logits = network.forward(mixed);
  const own = classificationLoss(logits, labels, labelSmoothing).mul(share);
  return own.add(classificationLoss(logits, labels.indexSelect(0, partner), labelSmoothing), { alpha: 1 - share });
}

/** A random order of `count` pictures: int64 [count]. */
function drawPartners(count: number): Tensor {
  const group = sharedBatch()?.group;
  const { total, start } = group ? rowsOfAll(group, count) : { total: count, start: 0 };
  const order = ops.randperm(total, { dtype: 'int64' });
  if (total === count) return order;
  return order.maskedSelect(order.ge(start).logicalAnd(order.lt(start + count))).sub(start);
}

function drawBeta(alpha: number): number {
  return ops
    ._sampleDirichlet(tensor([alpha, alpha]))
    .select(0, 0)
    .item();
}

function drawBelow(bound: number): number {
  return ops.randint(bound, [1], { dtype: 'int64' }).item();
}

/**
 * The same rectangle in all pictures, as torchvision's CutMix draws it: it may reach over the border and is then
 * smaller.
 */
function cutAndPaste(images: Tensor, others: Tensor, lambda: number): { mixed: Tensor; share: number } {
  const [height, width] = images.shape.slice(2) as [number, number];
  const half = 0.5 * Math.sqrt(1 - lambda);
  const span = (side: number): readonly [number, number] => {
    const middle = drawBelow(side);
    const reach = Math.trunc(half * side);
    return [Math.max(0, middle - reach), Math.min(side, middle + reach)];
  };
  const [left, right] = span(width);
  const [top, bottom] = span(height);
  const mixed = images.clone();
  const rectangle = (of: Tensor): Tensor => of.narrow(2, top, bottom - top).narrow(3, left, right - left);
  rectangle(mixed).copy_(rectangle(others));
  return { mixed, share: 1 - ((right - left) * (bottom - top)) / (width * height) };
}
