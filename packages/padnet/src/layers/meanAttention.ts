/** The mean decisions of a network's routers over data. */
import { nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { attend, type Attention } from '../dynamic/index.js';
import { isDynamicConvolution, type DynamicConvolutionLayer } from './dynamicLayer.js';

/** Mean over samples of each attention, without the dimension of the batch; null where the router has none. */
export type MeanAttention = Attention;

/**
 * In evaluation mode, each sample by the same weight. The tensors belong to the caller's scope.
 *
 * @param layers of the network
 * @param passes each runs the network forward once
 * @returns of every layer that ran
 */
export function meanAttentions(
  network: nn.Module,
  layers: readonly DynamicConvolutionLayer[],
  passes: Iterable<() => unknown>,
): Map<DynamicConvolutionLayer, MeanAttention> {
  const wanted = new Set<nn.Module>(layers);
  const sums = new Map<DynamicConvolutionLayer, Sum>();
  const observe = (_path: string, module: nn.Module, input: Tensor): void => {
    if (isDynamicConvolution(module) && wanted.has(module)) add(sums, module, attend(module.router, input));
  };
  {
    using _mode = nn.evaluationMode(network);
    for (const pass of passes) scope(() => noGrad(() => nn.watchForward(network, observe, pass)));
  }
  const means = new Map<DynamicConvolutionLayer, MeanAttention>();
  for (const [layer, { attention, samples }] of sums) {
    means.set(
      layer,
      mapAttention(attention, (sum) => sum.div(samples)),
    );
    dispose(attention);
  }
  return means;
}

interface Sum {
  readonly attention: Attention;
  readonly samples: number;
}

function add(sums: Map<DynamicConvolutionLayer, Sum>, layer: DynamicConvolutionLayer, attention: Attention): void {
  const before = sums.get(layer);
  const batch = attention.coefficients.shape[0]!;
  const summed = mapAttention(attention, (values) => values.sum([0]).keep());
  if (before) {
    ops._foreachAdd_(tensorsOf(before.attention), tensorsOf(summed));
    dispose(summed);
  }
  sums.set(layer, { attention: before?.attention ?? summed, samples: (before?.samples ?? 0) + batch });
}

function dispose(attention: Attention): void {
  for (const tensor of tensorsOf(attention)) tensor[Symbol.dispose]();
}

function tensorsOf({ coefficients, spatial, channel, filter }: Attention): Tensor[] {
  return [coefficients, spatial, channel, filter].filter((tensor) => tensor !== null);
}

function mapAttention(
  { coefficients, spatial, channel, filter }: Attention,
  map: (tensor: Tensor) => Tensor,
): Attention {
  return {
    coefficients: map(coefficients),
    spatial: spatial && map(spatial),
    channel: channel && map(channel),
    filter: filter && map(filter),
  };
}
