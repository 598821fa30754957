/**
 * `npm run bench -- distributed-study`: training on 1 to 64 machines, on paper. Measured here, on one machine: seconds
 * of forward and backward, and of a step of the optimizer. Counted: the gradients' bytes. Assumed: gradients become
 * ready evenly over backward, in buckets; a ring sums each in 2 (n − 1) messages of 1/n of it, one bucket after the
 * other, at the bandwidth and latency given (Patarasuk and Yuan 2009); computation is not slowed by that. A server
 * computes 20 times as fast as the two cores that were measured.
 */
import { manualSeed, nn, noGrad, ops, optim, randn, scope, type Tensor } from '@padnet/torch';
import { randomMask } from '../../packages/padnet/dist/analysis/calibration.js';
import { convertToMoE, convertToPartialMoE } from '../../packages/padnet/dist/convert/index.js';
import { parseTextConfig, SequenceClassifier } from '../../packages/padnet/dist/models/index.js';
import { applyPartition, searchLayers } from '../../packages/padnet/dist/partition/index.js';
import { median } from '../../packages/padnet/dist/statistics.js';
import { count, measurement } from './command.js';
import { createNetwork } from './networks.js';

interface Trained {
  readonly network: nn.Module;
  /** The loss of a batch. */
  readonly loss: () => Tensor;
}

/** ResNet-50 on pictures of 224 × 224; κ = 0.3. */
function pictures(layer: 'static' | 'dyconv' | 'pad', batch: number): Trained {
  const shape = { model: 'resnet50', stem: 'imagenet', width: null, inChannels: 3, numClasses: 1000, size: 224, batch };
  const network = createNetwork(shape as Parameters<typeof createNetwork>[0], layer, 0.3);
  const images = randn([batch, 3, 224, 224]).keep();
  const labels = ops.randint(1000, [batch], { dtype: 'int64' }).keep();
  return { network, loss: () => ops.crossEntropyLoss(network.forward(images), labels) };
}

const bertBase = {
  ...{ model_type: 'bert', vocab_size: 30_522, hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ intermediate_size: 3072, max_position_embeddings: 512, num_labels: 2 },
};

/** BERT-base on texts of 128 tokens; 8 experts, two a token, in every block's two linear layers; κ = 0.5. */
function texts(layer: 'static' | 'moe' | 'pad', batch: number): Trained {
  const network = new SequenceClassifier(parseTextConfig(bertBase, 'BERT-base'));
  const options = { numExperts: 8, k: 2 };
  if (layer === 'moe') convertToMoE(network, options);
  if (layer === 'pad') {
    convertToPartialMoE(network, options);
    const masks = new Map(Array.from(searchLayers(network), ([path, { shape }]) => [path, randomMask(shape, 0.5)]));
    applyPartition(network, { masks });
  }
  const [inputIds, ones] = [
    ops.randint(30_000, [batch, 128], { dtype: 'int64' }),
    ops.ones([batch, 128], { dtype: 'int64' }),
  ];
  const inputs = { inputIds: inputIds.keep(), attentionMask: ones.keep(), tokenTypeIds: ones.zerosLike().keep() };
  const labels = ops.randint(2, [batch], { dtype: 'int64' }).keep();
  return {
    network,
    loss: () => {
      const { logits, auxiliaryLoss } = network.forward(inputs);
      const loss = ops.crossEntropyLoss(logits, labels);
      return auxiliaryLoss ? loss.add(auxiliaryLoss) : loss;
    },
  };
}

const networks: Readonly<Record<string, (batch: number) => Trained>> = {
  'ResNet-50': (batch) => pictures('static', batch),
  'ResNet-50 DY-Conv': (batch) => pictures('dyconv', batch),
  'ResNet-50 PAD κ = 0.3': (batch) => pictures('pad', batch),
  'BERT-base': (batch) => texts('static', batch),
  'BERT-base MoE': (batch) => texts('moe', batch),
  'BERT-base PAD κ = 0.5': (batch) => texts('pad', batch),
};

interface Measured {
  readonly network: string;
  /** Of gradients in a step. */
  readonly bytes: number;
  readonly forwardSeconds: number;
  readonly backwardSeconds: number;
  readonly optimizerSeconds: number;
}

function measureNetwork(name: string, batch: number, steps: number): Measured {
  return scope(() => {
    manualSeed(0);
    const { network, loss } = networks[name]!(batch);
    const parameters = network.parameters().filter(({ numel }) => numel > 0);
    const optimizer = new optim.SGD(network.namedParameters(), { learningRate: 1e-5, momentum: 0.9 });
    const laps = Array.from({ length: steps + 1 }, () =>
      scope(() => {
        const times = [performance.now()];
        const lap = (): void => void times.push(performance.now());
        const batchLoss = loss();
        lap();
        batchLoss.backward();
        lap();
        optimizer.step();
        network.zeroGrad();
        lap();
        return times.slice(1).map((time, index) => (time - times[index]!) / 1000);
      }),
    ).slice(1);
    const [forwardSeconds, backwardSeconds, optimizerSeconds] = [0, 1, 2].map((part) =>
      median(laps.map((lap) => lap[part]!)),
    );
    const bytes = noGrad(() => parameters.reduce((sum, { numel }) => sum + 4 * numel, 0));
    return {
      network: name,
      bytes,
      forwardSeconds: forwardSeconds!,
      backwardSeconds: backwardSeconds!,
      optimizerSeconds: optimizerSeconds!,
    };
  });
}

/** Machines and the network between them. */
interface Cluster {
  /** Times as fast in computing as the machine that was measured. */
  readonly speed: number;
  readonly gigabits: number;
  readonly latencySeconds: number;
}

/** Seconds of a step on `nodes` machines. */
export function stepSeconds(
  measured: Omit<Measured, 'network'>,
  nodes: number,
  cluster: Cluster,
  bucketBytes = 4e6,
): number {
  const { bytes } = measured;
  const { speed, gigabits, latencySeconds } = cluster;
  const [forward, backward, step] = [
    measured.forwardSeconds / speed,
    measured.backwardSeconds / speed,
    measured.optimizerSeconds / speed,
  ] as const;
  let isFree = 0; // when the network has sent the buckets before
  for (let sent = 0; sent < bytes && nodes > 1; sent += bucketBytes) {
    const size = Math.min(bucketBytes, bytes - sent);
    const ready = forward + (backward * (sent + size)) / bytes;
    const seconds = (2 * (nodes - 1) * size * 8) / nodes / (gigabits * 1e9) + 2 * (nodes - 1) * latencySeconds;
    isFree = Math.max(isFree, ready) + seconds;
  }
  return Math.max(forward + backward, isFree) + step;
}

const nodeCounts = [2, 4, 8, 16, 32, 64];
const clusters: readonly Cluster[] = (
  [
    [1, 1],
    [20, 10],
    [20, 25],
    [20, 100],
  ] as const
).map(([speed, gigabits]) => ({ speed, gigabits, latencySeconds: 30e-6 }));

export const addDistributedStudy = measurement(
  'distributed-study',
  'Says, on paper, what 2 to 64 machines like this one would give, by measured times and counted messages.',
  {
    batch: count('--batch', 'pictures or texts of a machine in a step', 16),
    steps: count('--steps', 'timed steps of each network', 3),
  },
  ({ batch, steps }) => {
    const measured = Object.keys(networks).map((name) => measureNetwork(name, batch, steps));
    const found = measured.map((each) => ({
      ...each,
      efficiency: clusters.map((cluster) => ({
        ...cluster,
        byNodes: Object.fromEntries(
          nodeCounts.map((nodes) => [nodes, stepSeconds(each, 1, cluster) / stepSeconds(each, nodes, cluster)]),
        ),
      })),
    }));
    const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
    return Promise.resolve({
      settings: { batch, steps, latencyMicroseconds: 30, bucketBytes: 4e6 },
      found: { networks: found },
      rows: found.flatMap(({ efficiency, ...each }) =>
        efficiency.map(({ speed, gigabits, byNodes }) => ({
          network: each.network,
          gradients: `${(each.bytes / 1e6).toFixed(0)} MB`,
          forward: `${each.forwardSeconds.toFixed(2)} s`,
          backward: `${each.backwardSeconds.toFixed(2)} s`,
          'times as fast': String(speed),
          'Gb/s': String(gigabits),
          ...Object.fromEntries(nodeCounts.map((nodes) => [`${nodes} machines`, percent(byNodes[nodes]!)])),
        })),
      ),
      note: 'Of the speed of as many machines that need not wait for each other.',
    });
  },
);
