/**
 * Makes the linear layers of a transformer's feed-forward blocks mixtures of experts or partial ones, in place. Experts
 * start as copies of the pretrained layer and the router at zero, so without noise the output is unchanged (method.md
 * §1: gates that sum to 1; §2: λ_d = 1 at φ = 0).
 */
import { nn, noGrad, scope } from '@padnet/torch';
import { Bank, NoisyTopK, type NoisyTopKOptions } from '../dynamic/index.js';
import { FeedForward, MoELinear, type RoutingLevel } from '../layers/index.js';
import { SearchSource, type ScaleMode, type ParameterSource } from '../partial/index.js';
import { initialBank, initialBias } from './initialBank.js';
import { wholeBank } from './wholeBank.js';

/** Which linear layers of a feed-forward block become mixtures. */
export const moePositions = ['intermediate', 'output', 'both'] as const;
export type MoEPosition = (typeof moePositions)[number];

export interface ConvertToMoEOptions {
  /** E. @default 8 */
  readonly numExperts?: number;
  /** Experts computed for each token. @default 2 */
  readonly k?: number;
  /** @default 'both' */
  readonly position?: MoEPosition;
  /** The feed-forward blocks to convert, counted from 0 in the order of the network. @default all */
  readonly layers?: readonly number[];
  /** @default 'token' */
  readonly routing?: RoutingLevel;
  /** Tasks to route by, of routing `task`. @default 1 */
  readonly numTasks?: number;
  /** Normal noise on the experts' weights, in standard deviations of the weight. @default 0 */
  readonly noise?: number;
  /** Weight of the auxiliary loss. @default 0.01 */
  readonly auxiliaryWeight?: number;
  /** How routers start (`NoisyTopK`). @default 'published' */
  readonly routerStart?: NoisyTopKOptions['start'];
}

export interface ConvertToPartialMoEOptions extends ConvertToMoEOptions {
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
}

/**
 * Every linear layer or partial mixture at `position` becomes a mixture of experts, a partial one with the same output
 * (see `wholeBank`); one that is a mixture already stays as it is. An optimizer that was made before has to be made
 * anew: it holds the parameters of layers that the network no longer has.
 *
 * @throws RangeError where the network has no such block, or k is not from 1 to the number of experts; then nothing was
 *   changed
 */
export function convertToMoE<N extends nn.Module>(network: N, options: ConvertToMoEOptions = {}): N {
  return convertEach(network, options, {
    fromLinear: ({ weight }, numExperts) => new Bank(initialBank(weight, numExperts, options)),
    replace: (layer) => wholeBank(layer, 'a mixture'),
  });
}

/**
 * Every linear layer or mixture of experts at `position` becomes a partial mixture that a partition can be searched
 * for, with every entry dynamic until one is applied. The static weight is the pretrained weight itself (its memory is
 * shared), or the mean of a mixture's experts. An optimizer is made afterwards, as of `convertToMoE`, and once more
 * after `applyPartition`.
 *
 * @throws as `convertToMoE`
 */
export function convertToPartialMoE<N extends nn.Module>(network: N, options: ConvertToPartialMoEOptions = {}): N {
  const { scaleMode = 'both' } = options;
  return convertEach(network, options, {
    fromLinear: ({ weight }, numExperts) =>
      new SearchSource({ bank: initialBank(weight, numExperts, options), staticWeight: weight, scaleMode }),
    replace: ({ source }) =>
      source.kind === 'dynamic'
        ? new SearchSource({ bank: source.bank, staticWeight: noGrad(() => source.bank.mean([0])), scaleMode })
        : null,
  });
}

interface SourceMakers {
  readonly fromLinear: (linear: nn.Linear, numExperts: number) => ParameterSource;
  /** The new source of a layer that is a mixture already; null: its own stays. */
  readonly replace: (layer: MoELinear) => ParameterSource | null;
}

function convertEach<N extends nn.Module>(network: N, options: ConvertToMoEOptions, makers: SourceMakers): N {
  const { position = 'both' } = options;
  const names = position === 'both' ? (['intermediate', 'output'] as const) : [position];
  scope(() => {
    const replacements = chosenBlocks(network, options).flatMap((block) =>
      names.map((name): Replacement | null => {
        const layer = block[name];
        if (layer instanceof nn.Linear) return { parent: block, name, module: mixtureOf(layer, options, makers) };
        const source = makers.replace(layer);
        return source && { parent: layer, name: 'source', module: source.train(layer.training) };
      }),
    );
    for (const replacement of replacements) replacement?.parent.setChild(replacement.name, replacement.module);
  });
  return network;
}

interface Replacement {
  readonly parent: nn.Module;
  readonly name: string;
  readonly module: nn.Module;
}

function chosenBlocks(network: nn.Module, { layers }: ConvertToMoEOptions): FeedForward[] {
  const found = Array.from(network.namedModules(), ([, module]) => module).filter(
    (module) => module instanceof FeedForward,
  );
  const blocks = [...new Set(found)]; // a block that is reached by two paths is one block
  if (blocks.length === 0) throw new RangeError('the network has no feed-forward block to convert');
  if (layers?.length === 0) throw new RangeError('layers: name at least one feed-forward block to convert');
  return (layers ?? [...blocks.keys()]).map((index) => {
    const block = blocks[index];
    if (!block) {
      const known =
        blocks.length === 1
          ? '1 feed-forward block (0)'
          : `${blocks.length} feed-forward blocks (0 to ${blocks.length - 1})`;
      throw new RangeError(`layers: there is no block ${index}; the network has ${known}`);
    }
    return block;
  });
}

function mixtureOf(linear: nn.Linear, options: ConvertToMoEOptions, { fromLinear }: SourceMakers): MoELinear {
  const { numExperts = 8, k = 2, auxiliaryWeight, routerStart, routing, numTasks } = options;
  const [, inFeatures = 0] = linear.weight.shape;
  const router = new NoisyTopK({
    inFeatures,
    numExperts,
    k,
    ...(auxiliaryWeight !== undefined && { auxiliaryWeight }),
    ...(routerStart && { start: routerStart }),
  });
  const mixture = new MoELinear({
    router,
    source: fromLinear(linear, numExperts),
    biasBank: initialBias(linear.bias, numExperts),
    ...(routing && { routing }),
    ...(numTasks !== undefined && { numTasks }),
  });
  return placedAs(linear.weight, linear.training, mixture);
}

/**
 * `module` with the dtype and device of a weight, in the mode of the layer it replaces: noise is drawn in training
 * only.
 */
function placedAs<M extends nn.Module>({ dtype, device }: nn.Parameter, training: boolean, module: M): M {
  return module.to(dtype).to(device).train(training);
}
