/**
 * One rank of `sharedBatch.test.ts`: losses and gradients of networks whose batch is shared out, beside those of one
 * process with all of it.
 */
import {
  defaultGenerator,
  Generator,
  manualSeed,
  nn,
  noGrad,
  ops,
  randn,
  scope,
  setNumThreads,
  tensor,
  type DType,
  type Tensor,
} from '@padnet/torch';
import { ProcessGroup, rankEnvironment, withSharedBatch } from '@padnet/torch/distributed';
import { convertToMoE, convertToPartialMoE } from '../convert/index.js';
import { StaticSource } from '../dynamic/index.js';
import { MoELinear, routingLevels, type RoutingDecision, type RoutingLevel } from '../layers/index.js';
import { createModel, modelSchema, SequenceClassifier, type TextInputs } from '../models/index.js';
import { batch, tinyConfig } from '../models/text/tiny.test.fixture.js';
import { Mask } from '../partial/index.js';
import { partialLayers, searchLayers } from '../partition/index.js';
import type { RouterStatistics } from '../runs/events.js';
import { routerStatistics } from './routerStatistics.js';
import { mixedLoss } from './tasks/classificationLoss.js';

setNumThreads(1);
const group = await ProcessGroup.open(rankEnvironment()!);
const { rank, size } = group;
const shared = () => ({ group, syncBatchNorm: true, ownGenerator: new Generator(rank) });

/** With some of the cases. */
const isShort = process.argv[2] === 'short';

/** Rows of each rank: all but the last have as many as their number + `first`. */
const parts = (total: number, first: number): { readonly start: number; readonly count: number } => {
  const counts = Array.from({ length: size - 1 }, (_, r) => r + first);
  counts.push(total - counts.reduce((sum, count) => sum + count, 0));
  return { start: counts.slice(0, rank).reduce((sum, count) => sum + count, 0), count: counts[rank]! };
};

const largest = (values: Tensor): number => (values.numel === 0 ? 0 : values.abs().max().item());

const sumOfAll = (values: Tensor): Tensor => {
  if (values.numel === 0) return values;
  const sum = values.contiguous().clone();
  group.allReduce(sum).wait();
  return sum;
};

const state = (): string => defaultGenerator.getState().toArray().join();

interface StepResult {
  readonly loss: Tensor;
  readonly statistics: RouterStatistics | null;
}

/**
 * The largest difference from one process: of the loss, of gradients in parts of the largest of all, of buffers in
 * parts of their largest number, of the statistics of routers; and whether the random numbers go on alike.
 */
function difference(
  network: nn.Module,
  total: number,
  first: number,
  step: (start: number, count: number) => StepResult,
): { readonly error: number; readonly random: boolean } {
  return scope(() => {
    const before = new Map(Array.from(network.stateDict(), ([name, value]) => [name, value.clone()]));
    const { start, count } = parts(total, first);
    const run = (body: () => StepResult) => {
      network.loadStateDict(before);
      network.zeroGrad();
      manualSeed(7);
      const { loss, statistics } = body();
      const gradients = network.parameters().map(({ grad, shape, dtype }) => grad ?? ops.zeros(shape, { dtype }));
      const buffers = Array.from(network.namedBuffers(), ([, value]) => value.to('float64').clone());
      return { loss: loss.detach().reshape([1]), gradients, buffers, statistics, random: state() };
    };
    const backward = (result: StepResult): StepResult => {
      result.loss.backward();
      return result;
    };
    const alone = run(() => backward(step(0, total)));
    const together = run(() => withSharedBatch(shared(), () => backward(step(start, count))));
    const most = Math.max(...alone.gradients.map(largest));
    const errors = (values: readonly Tensor[], others: readonly Tensor[], floor: number): number[] =>
      values.map((value, index) => {
        const other = others[index]!;
        return largest(value.sub(other)) / Math.max(largest(other), floor);
      });
    const numbers = (of: RouterStatistics | null): number[] => (of ? Object.values(of) : []) as number[];
    return {
      error: Math.max(
        ...errors([sumOfAll(together.loss)], [alone.loss], 0),
        ...errors(together.gradients.map(sumOfAll), alone.gradients, most),
        ...errors(together.buffers, alone.buffers, 1e-3),
        ...numbers(together.statistics).map((value, index) => Math.abs(value - numbers(alone.statistics)[index]!)),
      ),
      random: together.random === alone.random,
    };
  });
}

/** Some entries of every layer that can be partitioned. */
function someEntries(network: nn.Module): void {
  for (const [, source] of searchLayers(network)) source.mask = Mask.fromTensor(randn(source.shape).gt(0.3));
}

/** As after a partition with these masks. */
function partition(network: nn.Module): void {
  someEntries(network);
  for (const [path, source] of [...searchLayers(network)])
    network.replaceModule(`${path}.source`, source.toPartial(source.mask));
  if (partialLayers(network).size === 0) throw new Error('nothing became partial');
}

/** What the first rank has: nothing in the last case. */
const firstRanks: Partial<Record<DType, readonly number[]>> = { float32: [1], float64: [1, 0] };

function pictureCases(dtype: DType): Record<string, unknown> {
  const results: Record<string, unknown> = {};
  for (const name of isShort ? ['odconv'] : ['static', 'dyconv', 'odconv', 'dcd']) {
    const total = 2 * size + 1;
    manualSeed(1);
    const layer = name === 'static' ? { layer: name } : { layer: 'partial', convolution: name };
    const model = modelSchema.parse({ name: 'resnet10', width: 4, stem: 'small', numKernels: 3, ...layer });
    const network = createModel(model, { inChannels: 2, numClasses: 3 });
    if (name !== 'static') partition(network);
    network.to(dtype).train();
    const images = randn([total, 2, 8, 8], { dtype });
    const labels = ops.randint(3, [total], { dtype: 'int64' });
    for (const first of firstRanks[dtype]!)
      results[`${name} ${first}`] = difference(network, total, first, (start, count) => ({
        loss: ops
          .crossEntropyLoss(network.forward(images.narrow(0, start, count)), labels.narrow(0, start, count), {
            reduction: 2,
          })
          .div(total),
        statistics: null,
      }));
  }
  return results;
}

const texts = [[5, 6, 7], [8, 9, 10, 11, 12, 13], [14], [15, 16, 17, 18], [19, 20, 21, 22, 23], [24, 25], [26, 27, 28]];

const moeSources: Readonly<Record<string, (network: SequenceClassifier, routing: RoutingLevel) => void>> = {
  static: (network, routing) => {
    convertToMoE(network, { numExperts: 4, noise: 0.5, routing });
    for (const [, layer] of network.namedModules())
      if (layer instanceof MoELinear)
        layer.setChild('source', new StaticSource(randn(layer.source.shape, { dtype: 'float64' })));
  },
  dynamic: (network, routing) => {
    convertToMoE(network, { numExperts: 4, noise: 0.5, routing });
  },
  searched: (network, routing) => {
    convertToPartialMoE(network, { numExperts: 4, noise: 0.5, routing });
    someEntries(network);
  },
  partial: (network, routing) => {
    convertToPartialMoE(network, { numExperts: 4, noise: 0.5, routing });
    partition(network);
  },
};

function textCases(dtype: DType): Record<string, unknown> {
  const results: Record<string, unknown> = {};
  for (const [kind, convert] of Object.entries(moeSources)) {
    if (isShort && kind !== 'partial') continue;
    for (const routing of dtype === 'float32' ? (['token'] as const) : routingLevels) {
      manualSeed(3);
      const network = new SequenceClassifier(tinyConfig('bert', { num_hidden_layers: 2 }));
      convert(network, routing);
      for (const [, layer] of network.namedModules()) {
        if (!(layer instanceof MoELinear)) continue;
        noGrad(() => {
          layer.router.wGate.normal_();
          layer.router.wNoise.normal_();
        });
        // So that its gradient is more than rounding.
        Object.assign(layer.router, { auxiliaryWeight: 0.5 });
      }
      network.to(dtype).train();
      const labels = ops.randint(3, [texts.length], { dtype: 'int64' });
      const step = (start: number, count: number): StepResult => {
        const own = texts.slice(start, start + count);
        // Padded to the longest of their own.
        const inputs: TextInputs = own.length > 0 ? batch(own, 0) : rowsOf(batch(texts, 0), 0);
        const { logits, auxiliaryLoss, routing: decisions } = network.forward(inputs);
        const ofLabels = ops.crossEntropyLoss(logits, labels.narrow(0, start, count), { reduction: 2 });
        const loss = ofLabels.div(texts.length).add(auxiliaryLoss!.mul(count / texts.length));
        return { loss, statistics: routerStatistics(decisions) };
      };
      for (const first of firstRanks[dtype]!)
        results[`${kind} by ${routing} ${first}`] = difference(network, texts.length, first, step);
    }
  }
  return results;
}

function rowsOf({ inputIds, attentionMask, tokenTypeIds }: TextInputs, count: number): TextInputs {
  const [ids, mask, types] = [inputIds, attentionMask, tokenTypeIds!].map((each) => each.narrow(0, 0, count));
  return { inputIds: ids!, attentionMask: mask!, tokenTypeIds: types! };
}

/** How pictures are mixed: [picture, share of each picture]; λ and kind are the same everywhere. */
function mixing(): unknown {
  const count = rank + 3;
  const images = ops.eye(count).reshape([count, count, 1, 1]).expand([count, count, 12, 10]).contiguous();
  const labels = ops.arange(count, { dtype: 'int64' });
  return [3, 4, 5, 6, 8].map((seed) => {
    manualSeed(seed);
    let seen: number[] = [];
    const forward = (mixed: Tensor): Tensor => {
      seen = mixed.mean([2, 3]).toArray();
      return mixed.mean([2, 3]);
    };
    const loss = withSharedBatch(shared(), () =>
      mixedLoss({ forward }, images, labels, { mixup: 0.8, cutmix: 0.8 }).item(),
    );
    return { seen, loss, next: ops.rand([1]).item() };
  });
}

/** Statistics of no row, and of none on one rank. */
function statisticsOfNone(): unknown {
  const decision = (rows: number): RoutingDecision =>
    ({
      gates: ops.ones([rows, 2]).mul(0.5),
      weights: ops.ones([rows, 2]).mul(0.5),
      auxiliaryLoss: tensor(0.25),
    }) as unknown as RoutingDecision;
  return withSharedBatch(shared(), () => [
    routerStatistics([decision(0)]),
    routerStatistics([decision(rank === 0 ? 0 : 3)]),
  ]);
}

const both = (cases: (dtype: DType) => unknown): unknown => ({ float32: cases('float32'), float64: cases('float64') });
console.log(
  JSON.stringify({
    pictures: both(pictureCases),
    texts: both(textCases),
    mixing: mixing(),
    statisticsOfNone: statisticsOfNone(),
  }),
);
group.barrier();
group.close();
