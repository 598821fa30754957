/**
 * One dimension: does the pitch of a noisy tone [batch, 1, 64] rise (1) or fall (0)? A small network of 1-D
 * convolutions becomes partially dynamic; after 100 steps Iterative Mode Partition makes the 70 % of its kernels static
 * that need it least.
 *
 *     node examples/dist/signals.js
 */
import { backward, manualSeed, nn, noGrad, ops, optim, scope, type Tensor } from '@padnet/torch';
import { applyPartition, convertToPartial, meanIntoStatic, iterativeModePartition } from 'padnet';

function tones(batch: number): [signals: Tensor, labels: Tensor] {
  const labels = ops.randint(2, [batch], { dtype: 'int64' });
  const rise = labels.mul(20).sub(10).unsqueeze(1); // cycles
  const time = ops.arange(64).div(64);
  const cycles = time.mul(ops.rand([batch, 1]).mul(8).add(12)).add(time.sub(0.5).square().mul(rise));
  return [ops.sin(cycles.mul(2 * Math.PI).unsqueeze(1)).add(ops.randn([batch, 1, 64])), labels];
}
const convolution = (inChannels: number, outChannels: number): nn.Layer[] => [
  new nn.Conv1d({ inChannels, outChannels, kernelSize: 5, stride: 2, padding: 2, bias: false }),
  new nn.BatchNorm1d({ numFeatures: outChannels, activation: 'relu' }),
];
manualSeed(1);
const head = [new nn.Flatten(), new nn.Linear({ inFeatures: 32 * 8, outFeatures: 2 })];
const network = new nn.Sequential(...convolution(1, 16), ...convolution(16, 32), ...convolution(32, 32), ...head);
convertToPartial(network, { numKernels: 4, bankInitialisation: 'independent' });
const loss = ([signals, labels]: [Tensor, Tensor]): Tensor => ops.crossEntropyLoss(network.forward(signals), labels);
function train(steps: number): void {
  const optimizer = new optim.AdamW(network.namedParameters(), { learningRate: 0.003 });
  for (let step = 0; step < steps; step++) {
    network.zeroGrad();
    scope(() => {
      backward(loss(tones(64)));
    });
    optimizer.step();
  }
}
train(100);
const batchLosses = [tones(64), tones(64)].map((batch) => () => loss(batch));
const partition = await iterativeModePartition(network, { ratio: 0.3, granularity: 'kernel', batchLosses });
meanIntoStatic(network, batchLosses);
applyPartition(network, partition);
train(100);
for (const [path, mask] of partition.masks) console.log(`${path}: ${(100 * mask.dynamicRatio).toFixed(0)} % dynamic`);
const [signals, labels] = tones(1000);
const answers = noGrad(() => ops.argmax(network.eval().forward(signals), { dim: 1 }));
console.log(`${answers.eq(labels).sum().item() / 10} % right`);
