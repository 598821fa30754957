/** The mean decisions of a network's routers over data. */
import { nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { attend, type Attention, type Gating } from '../dynamic/index.js';
import { isDynamicConvolution, type DynamicLayer } from './dynamicLayer.js';
import { MoELinear } from './moeLinear.js';

/**
 * Mean over samples of each attention, without the dimension of the batch; null where the router has none. Of a mixture
 * of experts the mean gates, 0 counted where an expert is not chosen.
 */
export type MeanAttention = Attention;

/**
 * In evaluation mode, each sample (of a mixture each token, or whatever it routes by) by the same weight. The tensors
 * belong to the caller's scope.
 *
 * @param layers of the network
 * @param passes each runs the network forward once
 * @returns of every layer that ran
 */
export function meanAttentions<Layer extends DynamicLayer>(
  network: nn.Module,
  layers: readonly Layer[],
  passes: Iterable<() => unknown>,
): Map<Layer, MeanAttention> {
  const wanted = new Set<nn.Module>(layers);
  const sums = new Map<nn.Module, Sum>();
  const observe = (_path: string, module: nn.Module, input: Tensor): void => {
    if (isDynamicConvolution(module) && wanted.has(module)) add(sums, module, attend(module.router, input));
  };
  const undo = Array.from(wanted).flatMap((layer) => (layer instanceof MoELinear ? [watchGates(sums, layer)] : []));
  try {
    using _mode = nn.evaluationMode(network);
    for (const pass of passes) scope(() => noGrad(() => nn.watchForward(network, observe, pass)));
  } finally {
    for (const end of undo) end();
  }
  const means = new Map<Layer, MeanAttention>();
  for (const layer of layers) {
    const sum = sums.get(layer);
    if (!sum || sum.samples === 0 || means.has(layer)) continue;
    means.set(
      layer,
      mapAttention(sum.attention, (values) => values.div(sum.samples)),
    );
  }
  for (const { attention } of sums.values()) dispose(attention);
  return means;
}

function watchGates(sums: Map<nn.Module, Sum>, layer: MoELinear): () => void {
  return nn.observeForward(layer.router, (_inputs, output) => {
    const { gates } = output as Gating;
    add(sums, layer, { coefficients: gates, spatial: null, channel: null, filter: null });
  });
}

interface Sum {
  readonly attention: Attention;
  readonly samples: number;
}

function add(sums: Map<nn.Module, Sum>, layer: nn.Module, attention: Attention): void {
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
