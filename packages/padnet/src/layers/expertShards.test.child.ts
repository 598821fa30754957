/** One rank of `expertShards.test.ts`: mixtures with their experts shared out, beside whole ones in one process. */
import { Generator, manualSeed, noGrad, ops, optim, randn, scope, setNumThreads, type Tensor } from '@padnet/torch';
import { GradientBuckets, ProcessGroup, rankEnvironment, withSharedBatch } from '@padnet/torch/distributed';
import { Bank, NoisyTopK, StaticSource } from '../dynamic/index.js';
import type { ExpertPlan } from '../compute/expertMixture.js';
import { Mask, PartialSource, SearchSource, type ParameterSource } from '../partial/index.js';
import { applyPartition } from '../partition/index.js';
import { ExpertShards } from './expertShards.js';
import { FeedForward } from './feedForward.js';
import { MoELinear } from './moeLinear.js';
import { Routing, type RoutingLevel } from './routing.js';

setNumThreads(1);
const group = await ProcessGroup.open(rankEnvironment()!);
const { rank, size } = group;
const shared = { group, syncBatchNorm: false, ownGenerator: new Generator(rank) };
const dtype = 'float64';
const numExperts = 5;
const [outFeatures, inFeatures] = [4, 6];
const shape = [outFeatures, inFeatures];

/** Sentences of the whole batch; the first rank has none where `first` is 0. */
const [sentences, length] = [6, 3];
function partOf(first: number): { readonly start: number; readonly count: number } {
  const counts = Array.from({ length: size - 1 }, (_, r) => r + first);
  counts.push(sentences - counts.reduce((a, b) => a + b, 0));
  return { start: counts.slice(0, rank).reduce((a, b) => a + b, 0), count: counts[rank]! };
}

const largest = (values: Tensor): number => (values.numel === 0 ? 0 : values.abs().max().item());

function errors(values: readonly Tensor[], others: readonly Tensor[]): number {
  return Math.max(
    ...values.map((value, index) => {
      const other = others[index]!;
      if (value.shape.join() !== other.shape.join())
        throw new Error(`[${value.shape.join()}], not [${other.shape.join()}]`);
      return largest(value.sub(other)) / Math.max(largest(other), 1e-3);
    }),
  );
}

function sumOfAll(values: Tensor): Tensor {
  if (values.numel === 0) return values;
  const sum = values.contiguous().clone();
  group.allReduce(sum).wait();
  return sum;
}

const masks: Readonly<Record<string, () => Tensor>> = {
  entries: () => ops.rand(shape, { dtype }).lt(0.5),
  rows: () => ops.arange(outFeatures).lt(2).unsqueeze(1).expand(shape),
  columns: () => ops.arange(inFeatures).lt(3).expand(shape),
  full: () => ops.ones(shape),
  empty: () => ops.zeros(shape),
};

const sources: Readonly<Record<string, () => ParameterSource>> = {
  dynamic: () => new Bank(randn([numExperts, ...shape], { dtype })),
  static: () => new StaticSource(randn(shape, { dtype })),
  searched: () => new SearchSource({ ...weights(), mask: Mask.fromTensor(masks.entries!()) }),
  ...Object.fromEntries(
    Object.entries(masks).map(([name, mask]) => [
      name,
      () => new PartialSource({ ...weights(), mask: Mask.fromTensor(mask()), phi: randn([], { dtype }) }),
    ]),
  ),
};

function weights(): { readonly bank: Tensor; readonly staticWeight: Tensor } {
  return { bank: randn([numExperts, ...shape], { dtype }), staticWeight: randn(shape, { dtype }) };
}

function mixture(source: ParameterSource, routing: RoutingLevel, plan: ExpertPlan | null): MoELinear {
  const router = new NoisyTopK({ inFeatures, numExperts, k: 2, auxiliaryWeight: 0.5 }).to(dtype);
  noGrad(() => {
    router.wGate.normal_();
    router.wNoise.normal_();
  });
  const layer = new MoELinear({ router, source, biasBank: randn([numExperts, outFeatures], { dtype }), routing });
  layer.plan = plan;
  return layer.to(dtype);
}

function copyOf(tensor: Tensor): Tensor {
  const copy = tensor.detach().clone();
  copy.requiresGrad = true;
  return copy;
}

/** Forward and gradients of input, router, bank, static part, factors and biases. */
function difference(layer: MoELinear, first: number): number {
  return scope(() => {
    const { start, count } = partOf(first);
    const input = randn([sentences, length, inFeatures], { dtype });
    const gradient = randn([sentences, length, outFeatures], { dtype });
    const tokenMask = ops.arange(length).lt(ops.arange(sentences).remainder(length).add(1).unsqueeze(1));
    const run = (tokens: Tensor, from: number, rows: number): Tensor => {
      manualSeed(9);
      layer.zeroGrad();
      const routing = new Routing({ tokenMask: tokenMask.narrow(0, from, rows) });
      const output = layer.forward(tokens, routing);
      const auxiliary = routing.auxiliaryLoss()!.mul(rows / sentences);
      output
        .mul(gradient.narrow(0, from, rows))
        .sum()
        .add(auxiliary)
        .backward();
      return output;
    };
    const whole = copyOf(input);
    const expected = run(whole, 0, sentences);
    const gradients = new Map(Array.from(layer.namedParameters(), ([name, { grad }]) => [name, grad!.clone()]));

    const shards = new ExpertShards(layer, group);
    const own = copyOf(input.narrow(0, start, count));
    const output = withSharedBatch(shared, () => run(own, start, count));
    const shares = new Set(shards.parameters);
    const actual = new Map(
      Array.from(layer.namedParameters(), ([name, each]) => [
        name,
        shares.has(each) ? each.grad! : sumOfAll(each.grad!),
      ]),
    );
    const names = [...actual.keys()];
    const result = Math.max(
      errors([output], [expected.narrow(0, start, count)]),
      errors([own.grad!], [whole.grad!.narrow(0, start, count)]),
      errors([...actual.values()], [...shards.own(gradients).values()]),
      errors([...shards.whole(actual).values()], [...gradients.values()]),
    );
    if (names.join() !== [...gradients.keys()].join()) throw new Error(`other parameters: ${names.join()}`);
    shards.gather();
    return result;
  });
}

function layers(): Record<string, number> {
  const results: Record<string, number> = {};
  manualSeed(1);
  for (const [name, source] of Object.entries(sources)) {
    results[name] = difference(mixture(source(), 'token', null), 1);
    results[`${name}, a rank without tokens`] = difference(mixture(source(), 'token', null), 0);
  }
  for (const routing of ['sentence', 'task'] as const)
    for (const first of [1, 0])
      results[`${routing} ${first}`] = difference(mixture(sources.entries!(), routing, null), first);
  for (const plan of ['fused', 'composed', 'dense'] as const)
    for (const name of ['dynamic', 'entries', 'rows'])
      results[`${plan} ${name}`] = difference(mixture(sources[name]!(), 'token', plan), 1);
  return results;
}

function network(): FeedForward {
  manualSeed(4);
  const block = new FeedForward({ hiddenSize: inFeatures, intermediateSize: outFeatures, activation: ops.gelu });
  const back = new PartialSource({
    bank: randn([numExperts, inFeatures, outFeatures], { dtype }),
    staticWeight: randn([inFeatures, outFeatures], { dtype }),
    mask: Mask.fromTensor(ops.rand([inFeatures, outFeatures]).lt(0.5)),
  });
  block.setChild('intermediate', mixture(sources.dynamic!(), 'token', null));
  const router = new NoisyTopK({ inFeatures: outFeatures, numExperts, k: 2 });
  block.setChild('output', new MoELinear({ router, source: back }));
  return block.to(dtype);
}

/** Steps with clipping and momentum; the state becomes whole and goes on in another object. */
function training(): unknown {
  const { start, count } = partOf(1);
  const [alone, together] = [network(), network()];
  const input = randn([sentences, length, inFeatures], { dtype });
  const loss = (block: FeedForward, from: number, rows: number): Tensor => {
    const routing = new Routing();
    // Twice, as ALBERT has it.
    const output = block.forward(block.forward(input.narrow(0, from, rows), routing), routing);
    return output
      .square()
      .sum()
      .add(routing.auxiliaryLoss()!.mul(rows / sentences));
  };
  const parameterOf = (key: string): string => key.slice(key.indexOf('.') + 1);
  const optimizerOf = (block: FeedForward): optim.SGD =>
    new optim.SGD(block.namedParameters(), { learningRate: 0.01, momentum: 0.9 });

  manualSeed(5);
  let optimizer = optimizerOf(alone);
  const expectedNorms: number[] = [];
  for (let step = 0; step < 4; step++) {
    loss(alone, 0, sentences).backward();
    expectedNorms.push(optim.clipGradNorm(alone.parameters(), 3));
    optimizer.step();
    alone.zeroGrad();
  }

  manualSeed(5);
  const shards = new ExpertShards(together, group);
  optimizer = optimizerOf(together);
  const norms: number[] = [];
  for (let step = 0; step < 4; step++) {
    scope(() => {
      using buckets = new GradientBuckets(
        group,
        shards.others(together).filter(({ numel }) => numel > 0),
      );
      withSharedBatch(shared, () => {
        const own = loss(together, start, count);
        buckets.start();
        own.backward();
      });
      buckets.finish();
      norms.push(shards.clipGradNorm(together, 3));
      optimizer.step();
      together.zeroGrad();
    });
    // As after a checkpoint.
    const { tensors, numbers } = optimizer.stateDict();
    const saved = { tensors: shards.whole(tensors, parameterOf), numbers };
    const state = shards.whole(together.stateDict());
    optimizer = optimizerOf(together);
    optimizer.loadStateDict({ tensors: shards.own(saved.tensors, parameterOf), numbers });
    together.loadStateDict(shards.own(state));
  }
  const shares = shards.parameters.map((parameter) => parameter.shape);
  shards.gather();
  const state = [...together.stateDict().values()].map((each) => each.to(dtype));
  return {
    error: errors(
      state,
      [...alone.stateDict().values()].map((each) => each.to(dtype)),
    ),
    norms: Math.max(...norms.map((norm, step) => Math.abs(norm - expectedNorms[step]!) / expectedNorms[step]!)),
    clipped: expectedNorms.every((norm) => norm > 3),
    shares,
  };
}

async function whole(): Promise<unknown> {
  manualSeed(6);
  const layer = mixture(sources.entries!(), 'token', null).eval();
  const input = randn([2, length, inFeatures], { dtype });
  const evaluate = (): number[] => noGrad(() => layer.forward(input).toArray());
  const expected = evaluate();
  const shards = new ExpertShards(layer, group);
  const [bank] = shards.parameters;
  const messageOf = (call: () => unknown): string => {
    try {
      call();
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const message = messageOf(evaluate);
  const partition = messageOf(() => {
    applyPartition(layer, { masks: new Map() });
  });
  const twice = messageOf(() => new ExpertShards(layer, group));
  // Rank 0 alone computes: nobody waits.
  const during = await shards.during(() => Promise.resolve(rank === 0 ? evaluate() : expected));
  const isShared = bank!.shape[0]! < numExperts;
  shards.share();
  shards.gather();
  shards.gather();
  const few = mixture(sources.dynamic!(), 'token', null);
  Object.assign(few.router, { numExperts: 1 });
  const refusal = messageOf(() => new ExpertShards(few, group));
  return {
    during: during.join() === expected.join(),
    after: evaluate().join() === expected.join(),
    isShared,
    sameObject: (layer.source as PartialSource).bank === bank,
    message,
    partition,
    twice,
    refusal,
  };
}

console.log(JSON.stringify({ layers: layers(), training: training(), whole: await whole() }));
group.barrier();
group.close();
