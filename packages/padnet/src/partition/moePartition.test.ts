/** Iterative Mode Partition of partial mixtures of experts. */
import { liveTensors, noGrad, ops, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { convertToPartialMoE } from '../convert/index.js';
import { pretrainedStack, type FeedForwardStack } from '../layers/feedForwardStack.test.fixture.js';
import { compactStateDict, loadCompactStateDict, MoELinear, Routing } from '../layers/index.js';
import { Mask } from '../partial/index.js';
import { iterativeModePartition, type IterativeModePartitionOptions } from './iterativeModePartition.js';
import { applyPartition } from './applyPartition.js';
import {
  comparePartitions,
  decodePartition,
  encodePartition,
  overallDynamicRatio,
  partialLayers,
  searchLayers,
  type Partition,
} from './partition.js';
import { partitionUnits } from './partitionUnits.js';
import { maskGradient, random } from './saliency/index.js';

const shape = { depth: 2, hiddenSize: 6, intermediateSize: 20 };

function partialStack(): FeedForwardStack {
  const network = convertToPartialMoE(pretrainedStack(shape), { numExperts: 4, k: 2, noise: 0.5 }).to('float64');
  noGrad(() => {
    for (const [, module] of network.namedModules()) {
      if (!(module instanceof MoELinear)) continue;
      module.router.wGate.copy_(randn(module.router.wGate.shape).mul(2));
      module.router.wNoise.copy_(randn(module.router.wNoise.shape));
    }
    for (const source of searchLayers(network).values()) {
      source.phi!.fill_(0.4);
      source.mask = Mask.fromTensor(randn(source.shape).gt(-0.5));
    }
  });
  return network;
}

let network: FeedForwardStack;
let batchLosses: (() => Tensor)[];

beforeEach(() => {
  network = partialStack();
  const inputs = randn([2, 3, 5, 6], { dtype: 'float64' });
  const labels = tensor([0, 1, 1]);
  const tokenMask = ops.arange(5, {}).lt(tensor([[5], [3], [4]]));
  batchLosses = [0, 1].map(
    (index) => () =>
      ops.crossEntropyLoss(network.classify(inputs.select(0, index), new Routing({ tokenMask })), labels.to('int64')),
  );
});

const run = (options: Partial<IterativeModePartitionOptions> = {}): Promise<Partition> =>
  iterativeModePartition(network, { ratio: 0.5, batchLosses, ...options });

const naiveScores = async (): Promise<Map<string, number[][]>> => {
  const raw = await maskGradient.score({
    network,
    sources: searchLayers(network),
    batchLosses,
    sampleShape: null,
    seed: 0,
  });
  return new Map(
    Array.from(raw, ([path, scores]) => {
      const [rows = 0, columns = 0] = scores.shape;
      const values = scores.toArray();
      return [path, Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns))];
    }),
  );
};

describe('the saliency of a mixture of experts', () => {
  it('is the derivative of the loss by the mask, in evaluation mode', async () => {
    network.eval();
    const scores = await naiveScores();
    const total = (): number => noGrad(() => scope(() => batchLosses.reduce((sum, loss) => sum + loss().item(), 0)));
    for (const [path, source] of searchLayers(network)) {
      for (const [row, column] of [
        [0, 1],
        [3, 5],
        [5, 2],
      ] as const) {
        // prettier-ignore
        const derivative = source.withMaskVariable((mask) => {
          const step = 1e-5;
          const at = (change: number): number =>
            scope(() => {
              const entry = mask.detach().select(0, row).select(0, column);
              entry.add_(change);
              const loss = total();
              entry.sub_(change);
              return loss;
            });
          return (at(step) - at(-step)) / (2 * step);
        });
        expect(scores.get(path)![row]![column]).toBeCloseTo(derivative, 7);
      }
    }
    expect(Math.max(...scores.get('layers.1.output')!.flat().map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it('is summed over a neuron of both weights, or a block, before the absolute value', async () => {
    network.eval();
    const raw = await naiveScores();
    const [intermediate, output] = [raw.get('layers.0.intermediate')!, raw.get('layers.0.output')!];
    const all = [...raw.values()];
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
    const neuron = (inner: number[][], outer: number[][], unit: number): number =>
      Math.abs(sum(inner[unit]!) + sum(outer.map((row) => row[unit]!)));
    const units = Array.from({ length: 20 }, (_, unit) => unit);
    const total =
      sum(units.map((unit) => neuron(all[0]!, all[1]!, unit))) +
      sum(units.map((unit) => neuron(all[2]!, all[3]!, unit)));
    const neurons = await run({ granularity: 'neuron', rounds: 1 });
    expect([...neurons.scores.keys()]).toEqual(['layers.0.intermediate', 'layers.1.intermediate']);
    expectClose(
      tensor([...neurons.scores.get('layers.0.intermediate')!]),
      tensor(units.map((unit) => neuron(intermediate, output, unit) / total)),
      { atol: 1e-7 },
    );

    const blocks = await run({ granularity: 'block', rounds: 1 });
    const [upper = 0, lower = 0] = blocks.scores.get('layers.0.intermediate')!;
    const blockSum = (rows: number[][]): number => Math.abs(sum(rows.flat()));
    expect(upper / lower).toBeCloseTo(blockSum(intermediate.slice(0, 16)) / blockSum(intermediate.slice(16)), 5);
    expect([...blocks.scores.values()].map(({ length }) => length)).toEqual([2, 2, 2, 2]);
  });

  it('leaves no tensor behind, and the masks and modes as they were', async () => {
    network.train();
    const masks = Array.from(partialLayers(network).values(), ({ mask }) => mask.bits);
    await run({ granularity: 'block' });
    const before = liveTensors();
    await run({ granularity: 'block' });
    expect(liveTensors()).toBe(before);
    expect(Array.from(partialLayers(network).values(), ({ mask }) => mask.bits)).toEqual(masks);
    expect(network.training).toBe(true);
  });
});

describe('a partition of mixtures of experts', () => {
  it('makes the same neurons static in both weights, κ of them in every block with scope local', async () => {
    const { masks } = await run({ granularity: 'neuron', scope: 'local', ratio: 0.25 });
    for (const block of ['layers.0', 'layers.1']) {
      const rows = masks.get(`${block}.intermediate`)!.toTensor();
      const columns = masks.get(`${block}.output`)!.toTensor();
      expect(ops.equal(rows, columns.t())).toBe(true);
      expect(rows.select(1, 0).sum().item()).toBe(5);
    }
    const global = await run({ granularity: 'neuron', ratio: 0.25 });
    expect(overallDynamicRatio(global.masks.values())).toBeCloseTo(0.25, 10);
  });

  it('is a file, applied and compared as that of any network', async () => {
    const blocks = await run({ granularity: 'block' });
    const partition = await run({ granularity: 'neuron' });
    const loaded = decodePartition(encodePartition(partition), 'p.safetensors');
    expect(loaded).toEqual(partition);
    applyPartition(network, loaded);
    for (const [path, { mask }] of partialLayers(network)) expect(mask.equals(partition.masks.get(path)!)).toBe(true);
    expect(comparePartitions(loaded, blocks).map(({ path }) => path)).toEqual([
      'layers.0.intermediate',
      'layers.0.output',
      'layers.1.intermediate',
      'layers.1.output',
    ]);
  });

  it('is stored in the compact form and comes back with the same output', async () => {
    applyPartition(network, await run({ granularity: 'entry', ratio: 0.3 }));
    const input = randn([2, 4, 6], { dtype: 'float64' });
    network.eval();
    const state = compactStateDict(network);
    const { mask } = partialLayers(network).get('layers.0.output')!;
    expect(state.get('layers.0.output.source.bank')!.shape).toEqual([4, mask.count]);
    expect(state.get('layers.0.output.source.static_weight')!.shape).toEqual([mask.size - mask.count]);
    const copy = convertToPartialMoE(pretrainedStack(shape), { numExperts: 4, k: 2 }).to('float64');
    loadCompactStateDict(copy, state);
    expectClose(
      noGrad(() => copy.forward(input)),
      noGrad(() => network.forward(input)),
      { atol: 0 },
    );
  });

  it('with the mean in the static weight first leaves the output nearly as it was', async () => {
    const input = randn([2, 4, 6], { dtype: 'float64' });
    const change = async (noise: number): Promise<number> => {
      network = convertToPartialMoE(pretrainedStack(shape), { noise }).to('float64');
      const before = noGrad(() => network.forward(input));
      for (const source of searchLayers(network).values()) source.meanIntoStatic();
      applyPartition(network, await run({ saliency: random }));
      return noGrad(() => network.forward(input)).sub(before).abs().max().item(); // prettier-ignore
    };
    expect(await change(0)).toBeLessThan(1e-12);
    const [little, more] = [await change(1e-3), await change(1e-2)];
    expect(little).toBeGreaterThan(1e-7);
    expect(more).toBeLessThan(0.05);
    expect(more / little).toBeGreaterThan(5);
  });

  it('refuses copies that nothing has told apart yet', async () => {
    network = convertToPartialMoE(pretrainedStack(shape)).to('float64');
    await expect(run()).rejects.toThrow('every score by maskGradient is 0, so that no entry can be told from another');
  });

  it('refuses a granularity that does not fit, before anything is scored', async () => {
    await expect(run({ granularity: 'kernel' })).rejects.toThrow('granularity kernel does not fit the linear layer');
    expect(partitionUnits(network, 'neuron')).toHaveLength(2);
  });
});
