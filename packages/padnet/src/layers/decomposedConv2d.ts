/**
 * Dynamic convolution decomposition (DCD; Li et al. 2021, arXiv 2103.08756; method.md §1): a static convolution whose
 * channels are scaled by the input, and a branch that fuses L latent channels by a matrix that the input makes.
 *
 *     y = s(x) ⊙ (W ∗ x) + P · (z + BN(Φ(x) · z)) + b,   z = BN(Q ∗ x)
 *
 * The router gives s and the coefficients h of the source, a bank of L×L matrices: Φ(x) = Σ_k h_k(x) Θ_k. In a partial
 * layer the source's masked entries come from the input and the rest are a learned constant, with λ_d and λ_s as
 * everywhere (§2). W may be dense, grouped or depth-wise; Q and P always see all channels, at the centre of W's kernel.
 */
import { nn, ops, zeros, type Tensor } from '@padnet/torch';
import { mixParameter, normalise, type DcdRouter } from '../dynamic/index.js';
import { numEntries, type ParameterSource } from '../partial/index.js';
import { inFullPrecision } from '../compute/fullPrecision.js';
import { perSampleConv } from '../compute/mixedConv.js';
import { mixInUse } from '../compute/mixInUse.js';
import { outputSize } from '../compute/outputSize.js';

export interface DecomposedConv2dOptions {
  readonly geometry: nn.Conv2dGeometry;
  readonly router: DcdRouter;
  /** The source of Φ, the kernel of a 1×1 convolution: [L, L, 1, 1] */
  readonly source: ParameterSource;
  /** W [outChannels, inChannels / groups, kernelHeight, kernelWidth]; its memory is shared. */
  readonly weight: Tensor;
  /** b [outChannels]; its memory is shared. @default null */
  readonly bias?: Tensor | null;
}

export class DecomposedConv2d extends nn.Module {
  readonly geometry: nn.Conv2dGeometry;
  /** Between latent channels. */
  readonly latentGeometry: nn.Conv2dGeometry;
  readonly router: DcdRouter;
  readonly source: ParameterSource;
  /** W [outChannels, inChannels / groups, kernelHeight, kernelWidth] */
  readonly weight: nn.Parameter;
  /** b [outChannels] */
  readonly bias: nn.Parameter | null;
  /** Q [L, inChannels, 1, 1] */
  readonly q: nn.Parameter;
  /** P [outChannels, L, 1, 1] */
  readonly p: nn.Parameter;
  /** The norm of Q ∗ x. */
  readonly bn1: nn.BatchNorm2d;
  /** The norm of Φ(x) · z. */
  readonly bn2: nn.BatchNorm2d;

  /** P and Q start as convolutions do in the published networks. @throws RangeError where Φ is no square matrix */
  constructor({ geometry, router, source, weight, bias = null }: DecomposedConv2dOptions) {
    super();
    const [latent = 0] = source.shape;
    if (source.shape.join() !== [latent, latent, 1, 1].join())
      throw new RangeError(`the source gives Φ [${source.shape.join(', ')}], expected [L, L, 1, 1]`);
    this.geometry = geometry;
    this.latentGeometry = nn.conv2dGeometry({ inChannels: latent, outChannels: latent, kernelSize: 1 });
    this.router = router;
    this.source = source;
    this.weight = new nn.Parameter(weight);
    this.bias = bias && new nn.Parameter(bias);
    this.q = new nn.Parameter(nn.init.kaimingNormal_(zeros([latent, geometry.inChannels, 1, 1])));
    this.p = new nn.Parameter(nn.init.kaimingNormal_(zeros([geometry.outChannels, latent, 1, 1])));
    this.bn1 = new nn.BatchNorm2d({ numFeatures: latent });
    this.bn2 = new nn.BatchNorm2d({ numFeatures: latent });
  }

  /**
   * [batch, inChannels, height, width] → [batch, outChannels, height', width'].
   *
   * @throws TypeError where the input has another number of dimensions
   */
  forward(input: Tensor): Tensor {
    if (input.dim !== 4) {
      const layout = '[batch, channels, height, width]';
      throw new TypeError(`DecomposedConv2d expects ${layout}, got [${input.shape.join(', ')}]`);
    }
    return inFullPrecision(this, input, (x) => {
      const { geometry, latentGeometry, router, weight, bias, q, p, bn1, bn2 } = this;
      const { coefficients, filter } = router.attend(x);
      const z = normalise(bn1, ops.conv2d(atKernelCentres(x, geometry), q, { stride: geometry.stride }));
      const fused = normalise(bn2, perSampleConv(z, this.fusion(coefficients), latentGeometry), z);
      const main = nn.convolve(x, weight, null, geometry);
      return main.mul(filter.unsqueeze(2).unsqueeze(3)).add(ops.conv2d(fused, p, { bias }));
    });
  }

  /** Φ(x): h [batch, K] → [batch, L, L, 1, 1] */
  private fusion(coefficients: Tensor): Tensor {
    const { source } = this;
    return source.kind === 'partial'
      ? mixInUse(coefficients, source)
      : mixParameter(coefficients, source.effective(false));
  }

  /**
   * Multiplications that one forward pass executes for an input of `shape` [batch, inChannels, height, width] in the
   * router, the entries of Φ that depend on the input, W, Q, Φ and P.
   */
  countMacs(shape: readonly number[]): number {
    const [batch = 1] = shape;
    const { geometry, router, source, weight, q, p } = this;
    const [height = 0, width = 0] = outputSize(geometry, shape);
    const size = numEntries(source.shape);
    const inUse = source.kind === 'static' ? 0 : source.kind === 'partial' ? source.mask.count : size;
    const convolutions = height * width * (weight.numel + q.numel + size + p.numel);
    return router.countMacs(shape) + batch * (router.numKernels * inUse + convolutions);
  }
}

/**
 * The part of an input that the middle of the kernel meets, so that a 1×1 kernel with the same stride gives as many
 * outputs at the same places.
 */
function atKernelCentres(input: Tensor, { kernelSize, padding, dilation }: nn.Conv2dGeometry): Tensor {
  // The sides of the last dimension come first, as the operator has them; below 0 they are cropped.
  const sides = ([1, 0] as const).flatMap((axis) => {
    const reach = dilation[axis] * (kernelSize[axis] - 1);
    const before = Math.floor(reach / 2);
    return [padding[axis] - before, padding[axis] - (reach - before)];
  });
  return sides.every((side) => side === 0) ? input : input.constantPadNd(sides);
}
