/**
 * A PAD-Net in 30 lines: a small ResNet whose kernels depend on the picture. After the first epoch Iterative Mode
 * Partition makes the 70 % of their entries static that need it least.
 *
 *     node examples/dist/train.js                    # Fashion-MNIST
 *     node examples/dist/train.js folder/of/pictures # IDX files of one's own
 */
import { manualSeed } from '@padnet/torch';
import { convertToPartial, PictureTask, ResNet, Trainer } from 'padnet';
import { holdOutPictures, limitPictures, loadFashionMnist, loadIdxFolder } from 'padnet/data';

const [folder] = process.argv.slice(2);
const { train, test } = folder === undefined ? loadFashionMnist() : loadIdxFolder(folder);
const count = Number(process.env.PADNET_EXAMPLE_PICTURES ?? 6000);
// A tenth of the training pictures is held out to score epochs on: the test pictures are read once, at the end.
const held = holdOutPictures(limitPictures(train, count), { fraction: 0.1, seed: 1 });
const splits = { ...held, test: limitPictures(test, count) };

manualSeed(1); // the weights that the network starts from
const network = new ResNet({
  name: 'resnet10',
  stem: 'small', // for pictures of 28 to 64 pixels
  width: 16,
  inChannels: train.channels,
  numClasses: train.numClasses,
});
convertToPartial(network, { numKernels: 4, bankInitialisation: 'independent' });

const task = new PictureTask({ network, splits, data: { batchSize: 64 }, labelSmoothing: 0.1 });
const training = { epochs: 3, learningRate: 0.1, temperature: { epochs: 1 } };
const partition = { ratio: 0.3, rounds: 3, epoch: 1 };
const trainer = new Trainer({ task, training, partition });

for await (const event of trainer.run()) {
  if (event.type === 'epoch') {
    const { epoch, epochs, validationScore = 0, samplesPerSecond } = event;
    const score = `${(100 * validationScore).toFixed(1)} % of those held out`;
    console.log(`epoch ${epoch}/${epochs}: ${score}, ${samplesPerSecond.toFixed(0)} pictures/s`);
  } else if (event.type === 'finished') console.log(`test: ${(100 * event.testScore).toFixed(1)} %`);
  else if (event.type === 'partition') console.log(`${(100 * event.dynamicRatio).toFixed(1)} % stay dynamic`);
}
