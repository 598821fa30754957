/**
 * A network and data that no recipe names, trained into the folder of a run, which `padnet compare` and
 * `padnet inspect` read: static, and partially dynamic.
 *
 *     node examples/dist/ownNetwork.js && npx padnet compare runs/own-static runs/own-partial
 */
import { manualSeed, nn } from '@padnet/torch';
import { convertToPartial, PictureTask } from 'padnet';
import { imageDataset, type ImageSplits } from 'padnet/data';
import { writeRun } from 'padnet/report';

/** Stripes of 12 × 12 pixels: from left to right (0) or from top to bottom (1), under noise. */
function stripes(length: number, seed: number): ImageSplits['train'] {
  const labels = Uint8Array.from({ length }, (_, index) => index % 2);
  const images = Uint8Array.from({ length: length * 144 }, (_, position) => {
    const place = labels[Math.floor(position / 144)] === 0 ? position % 12 : Math.floor(position / 12) % 12;
    return (place % 4 < 2 ? 60 : 100) + (Math.imul(position + 7919 * seed, 2654435761) >>> 24) / 2;
  });
  return imageDataset({ name: 'stripes', images, labels, channels: 1, height: 12, width: 12, classNames: ['→', '↓'] });
}
const convolution = (inChannels: number, outChannels: number): nn.Layer[] => [
  new nn.Conv2d({ inChannels, outChannels, kernelSize: 3, padding: 1, bias: false }),
  new nn.BatchNorm2d({ numFeatures: outChannels, activation: 'relu' }),
];
for (const layer of ['static', 'partial']) {
  manualSeed(1);
  const head = [
    new nn.AdaptiveAvgPool2d({ outputSize: 1 }),
    new nn.Flatten(),
    new nn.Linear({ inFeatures: 16, outFeatures: 2 }),
  ];
  const network = new nn.Sequential(...convolution(1, 8), ...convolution(8, 16), ...head);
  if (layer === 'partial') convertToPartial(network, { bankInitialisation: 'independent' });
  const task = new PictureTask({ network, splits: { train: stripes(512, 1), test: stripes(256, 2) } });
  const partition = layer === 'partial' ? { ratio: 0.3 } : undefined;
  const run = { out: `runs/own-${layer}`, network: 'TinyNet', data: 'stripes', force: true };
  for await (const event of writeRun({ ...run, task, training: { epochs: 3 }, partition }))
    if (event.type === 'finished') console.log(`${layer}: ${(100 * event.testScore).toFixed(1)} %`);
}
