/**
 * The transpose of a convolution over one, two or three dimensions, as `torch.nn.ConvTranspose1d`, `ConvTranspose2d`
 * and `ConvTranspose3d`: [batch, inChannels, …size] → [batch, outChannels, …size'], with size' = (size − 1) stride − 2
 * padding + dilation (kernelSize − 1) + outputPadding + 1. What upsampling networks learn with.
 */
import { empty } from '../creation.js';
import { convTranspose1d, convTranspose2d, convTranspose3d } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkSizes, type Pair, type Single, type Triple } from './checks.js';
import { convGeometry, type ConvGeometry, type ConvOptions } from './convolutions.js';
import { defaultUniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/** Padding takes away from each side of the output what it adds to the input of a convolution. */
export interface ConvTransposeOptions<Size extends readonly number[]> extends ConvOptions<Size> {
  /** Rows added at the end of the output, less than stride or dilation: of which of several sizes it is. @default 0 */
  readonly outputPadding?: number | Size;
}

/**
 * The base of transposed convolutions. Weights and bias start as U(±1/√(outChannels / groups · kernel)), as in PyTorch.
 */
export abstract class ConvTranspose<Size extends readonly number[]> extends Module {
  readonly geometry: ConvGeometry<Size>;
  readonly outputPadding: Size;
  /** [inChannels, outChannels / groups, …kernelSize] */
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;

  constructor(options: ConvTransposeOptions<Size>, dims: Size['length']) {
    super();
    this.geometry = convGeometry(options, dims);
    this.outputPadding = checkSizes('outputPadding', options.outputPadding ?? 0, dims, 0);
    const { inChannels, outChannels, kernelSize, stride, dilation, groups } = this.geometry;
    if (this.outputPadding.some((size, dim) => size >= Math.max(stride[dim]!, dilation[dim]!))) {
      throw new RangeError(
        `outputPadding [${this.outputPadding.join(', ')}] must be less than stride [${stride.join(', ')}] or ` +
          `dilation [${dilation.join(', ')}]`,
      );
    }
    const shape = [inChannels, outChannels / groups, ...kernelSize];
    const fanIn = shape.slice(1).reduce((product, size) => product * size);
    this.weight = new Parameter(defaultUniform_(empty(shape), fanIn));
    this.bias = options.bias === false ? null : new Parameter(defaultUniform_(empty([outChannels]), fanIn));
  }

  forward(input: Tensor): Tensor {
    const { weight, bias, outputPadding } = this;
    const { kernelSize, stride, padding, dilation, groups } = this.geometry;
    const operator = [convTranspose1d, convTranspose2d, convTranspose3d][kernelSize.length - 1]!;
    return operator(input, weight, { bias, stride, padding, outputPadding, groups, dilation });
  }
}

/** [batch, inChannels, length] → [batch, outChannels, length'] */
export class ConvTranspose1d extends ConvTranspose<Single> {
  /** @throws RangeError where a size is no whole number in range, or groups do not divide the channels */
  constructor(options: ConvTransposeOptions<Single>) {
    super(options, 1);
  }
}

/** [batch, inChannels, height, width] → [batch, outChannels, height', width'] */
export class ConvTranspose2d extends ConvTranspose<Pair> {
  /** @throws as `ConvTranspose1d` */
  constructor(options: ConvTransposeOptions<Pair>) {
    super(options, 2);
  }
}

/** [batch, inChannels, depth, height, width] → [batch, outChannels, depth', height', width'] */
export class ConvTranspose3d extends ConvTranspose<Triple> {
  /** @throws as `ConvTranspose1d` */
  constructor(options: ConvTransposeOptions<Triple>) {
    super(options, 3);
  }
}
