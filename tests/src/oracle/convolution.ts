/**
 * A dynamic or partially dynamic convolution of the oracle: outputs and gradients, as trained and as its mask is
 * searched.
 */
import { grad, nn, noGrad, type Tensor } from '@padnet/torch';
import { DynamicConv2d, type Router } from 'padnet';
import {
  comparer,
  compareGradients,
  toTensor,
  type Comparison,
  type Gradients,
  type Numbers,
  type OracleDType,
} from './fixtures.js';
import {
  buildSource,
  namedGradients,
  scoredGradients,
  sourceTensors,
  type AnySource,
  type OracleSource,
} from './source.js';

export interface ConvolutionCase extends OracleSource {
  readonly spec: {
    readonly name: string;
    readonly B: number;
    readonly I: number;
    readonly O: number;
    readonly k: number;
    readonly K: number;
    readonly stride: number;
    readonly padding: number;
    readonly dilation: number;
    readonly groups: number;
    readonly T: number;
  };
  readonly x: Numbers;
  readonly bias_bank?: Numbers;
  readonly y: Numbers;
  readonly dy: Numbers;
  readonly grads: Readonly<Record<string, Numbers>>;
}

export interface OracleConvolution {
  readonly file: string;
  /** The name of the case. */
  readonly name: string;
  readonly oracle: ConvolutionCase;
  readonly coefficients: Numbers;
  /** A router of the same numbers each time, in the case's mode. */
  readonly buildRouter: (geometry: nn.Conv2dGeometry) => Router;
  /** The router's tensors that have gradients, by the oracle's names. */
  readonly routerTensors: (router: Router) => Readonly<Record<string, Tensor | null>>;
}

export function verifyConvolution(convolution: OracleConvolution, dtype: OracleDType): Comparison[] {
  const { file, name, oracle, coefficients } = convolution;
  const source = buildSource(oracle, dtype);
  const input = toTensor(oracle.x, dtype);
  input.requiresGrad = true;
  const compare = comparer(file, name, dtype);
  const { output, gradients } = run(convolution, source, input);
  const scored = scoredGradients(oracle, dtype, (searched, mask) => run(convolution, searched, input, mask).gradients);
  return [
    compare('attention', buildLayer(convolution, source, dtype).router.forward(input), coefficients),
    compare('y', output, oracle.y),
    compare(
      'y without gradients',
      noGrad(() => buildLayer(convolution, source, dtype).forward(input)),
      oracle.y,
    ),
    ...compareGradients(compare, oracle.grads, scored ?? gradients, gradients),
  ];
}

/** Gradients by the oracle's names. */
function run(
  convolution: OracleConvolution,
  source: AnySource,
  input: Tensor,
  mask: Tensor | null = null,
): { output: Tensor; gradients: Gradients } {
  const layer = buildLayer(convolution, source, input.dtype as OracleDType);
  const output = layer.forward(input);
  const tensors: Record<string, Tensor | null> = {
    x: input,
    ...convolution.routerTensors(layer.router),
    bias_bank: layer.biasBank,
    ...sourceTensors(source),
    mask,
  };
  const gradients = namedGradients(source, tensors, (wanted) =>
    grad(output, wanted, { gradients: [toTensor(convolution.oracle.dy, output.dtype)], allowUnused: true }),
  );
  return { output, gradients };
}

function buildLayer({ oracle, buildRouter }: OracleConvolution, source: AnySource, dtype: OracleDType): DynamicConv2d {
  const { I: inChannels, O: outChannels, k: kernelSize, stride, padding, dilation, groups } = oracle.spec;
  const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups });
  const router = buildRouter(geometry);
  const layer = new DynamicConv2d({
    geometry,
    router,
    source,
    biasBank: oracle.bias_bank ? toTensor(oracle.bias_bank, dtype) : null,
  });
  return layer.train(router.training);
}
