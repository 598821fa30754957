/** One rank of `processGroup.test.ts`; prints what it got as JSON. */
import { setNumThreads, tensor, zeros, nn, manualSeed, randn } from '../index.js';
import { GradientBuckets, ProcessGroup, rankEnvironment, sumOverRanks } from './index.js';

setNumThreads(1);
const { LIFE_TIMEOUT = '2.5', SLOW_SECONDS = '0' } = process.env;
const group = await ProcessGroup.open(rankEnvironment()!, { lifeTimeout: Number(LIFE_TIMEOUT) });
const { rank, size } = group;
// Computing, as in a long step, without a turn for anything else.
const end = performance.now() + 1000 * Number(SLOW_SECONDS);
while (rank === 1 && performance.now() < end);
const numbers = (values: Iterable<number>): number[] => Array.from(values);

function collectives(): unknown {
  const sum = tensor([1, 2.5]).mul(rank + 1);
  const later = group.allReduce(sum);
  later.wait();
  const first = tensor([rank, rank + 10]);
  group.broadcast(first, size - 1).wait();
  const all = zeros([size, 2]);
  group.allGather(all, tensor([rank, -rank])).wait();
  // Rank r gives rank s as many rows as r + s, each of which is [r, s].
  const inputRows = Array.from({ length: size }, (_, other) => rank + other);
  const input = inputRows.flatMap((count, other) => Array.from({ length: count }, () => [rank, other]));
  const total = inputRows.reduce((a, b) => a + b, 0);
  const exchanged = zeros([total, 2]);
  group.allToAll(exchanged, tensor(input), inputRows, inputRows).wait();
  return {
    sum: numbers(sum.toTypedArray() as Float32Array),
    first: numbers(first.toTypedArray() as Float32Array),
    all: numbers(all.toTypedArray() as Float32Array),
    exchanged: numbers(exchanged.toTypedArray() as Float32Array),
    numbers: group.sum([rank, 0.1]),
    max: group.max([rank, -rank]),
    gathered: group.gather(rank * rank),
    json: group.broadcastJson(rank === 0 ? { text: 'é', list: [1, null] } : null),
    empty: group.broadcastBytes(new Uint8Array()).length,
  };
}

/** d/dx of (Σ over ranks of x)², where each rank counts it once. */
function gradient(): unknown {
  const x = tensor([rank + 1], { requiresGrad: true });
  sumOverRanks(group, x).square().sum().backward();
  return numbers(x.grad!.toTypedArray() as Float32Array);
}

function buckets(): unknown {
  manualSeed(0);
  const layers = Array.from({ length: 4 }, () => new nn.Linear({ inFeatures: 30, outFeatures: 30 }));
  const input = randn([6, 30]);
  const parameters = layers.flatMap((layer) => layer.parameters());
  const runs = [1e9, 4000, 1].map((bytes) => {
    using reduced = new GradientBuckets(group, parameters, bytes);
    const grads: number[][] = [];
    // The second time backward adds to gradients of an earlier one, as accumulation does.
    for (const passes of [1, 2]) {
      for (const parameter of parameters) parameter.grad = null;
      for (let pass = 1; pass <= passes; pass++) {
        if (pass === passes) reduced.start();
        // Layer 2 is used by rank 0 alone, layer 3 by none.
        const used = layers.slice(0, rank === 0 ? 3 : 2);
        const own = input.narrow(0, rank, 1);
        used
          .reduce((x, layer) => layer.forward(x).tanh(), own)
          .sum()
          .backward();
      }
      reduced.finish();
      grads.push(parameters.map(({ grad }) => (grad === null ? NaN : grad.mul(grad).sum().item())));
    }
    return grads;
  });
  return { runs, last: parameters.at(-1)!.grad === null };
}

function refusals(): unknown {
  const attempts: (() => unknown)[] = [
    () => group.allReduce(zeros([0])),
    () => group.allReduce(zeros([4, 4]).t()),
    () => group.allReduce(zeros([2]), 'mean' as 'sum'),
    () => group.broadcast(zeros([2]), 99),
    () => group.broadcast(zeros([2]), -1),
    () => group.allGather(zeros([size, 3]), zeros([2])),
    () => group.allToAll(zeros([2, 1]), zeros([2, 1]), [1, -1, 2], [1]),
    () => group.allToAll(zeros([2, 1]), zeros([2, 2]), [1, 1], [1, 1]),
    () => new GradientBuckets(group, [zeros([2])]),
    () => new GradientBuckets(group, [zeros([2], { requiresGrad: true })], 0),
  ];
  return attempts.map((attempt) => {
    try {
      attempt();
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  });
}

console.log(
  JSON.stringify({ collectives: collectives(), gradient: gradient(), buckets: buckets(), refusals: refusals() }),
);
group.barrier();
group.close();
