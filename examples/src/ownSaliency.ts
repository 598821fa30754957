/**
 * A score of one's own for what stays dynamic: Σ_k ∂L/∂Θ_k · Θ_k, the change of the loss if an entry's bank were zero, to
 * first order. Iterative Mode Partition takes its absolute value.
 *
 *     node examples/dist/ownSaliency.js [folder/of/pictures]
 */
import { setImmediate } from 'node:timers/promises';
import { grad, noGrad, scope, zeros } from '@padnet/torch';
import { convertToPartial, PictureTask, ResNet, Trainer, type Saliency } from 'padnet';
import { pictures } from './pictures.js';

const gradientTimesWeight: Saliency = {
  name: 'gradientTimesWeight',
  async score({ sources, batchLosses }) {
    const scores = new Map(Array.from(sources, ([path, { shape }]) => [path, zeros(shape).keep()]));
    const banks = Array.from(sources.values(), ({ bank }) => bank);
    for (const batchLoss of batchLosses) {
      await setImmediate(); // leave a turn to others
      scope(() => {
        const gradients = grad(batchLoss(), banks);
        noGrad(() => {
          for (const [i, score] of [...scores.values()].entries()) score.add_(gradients[i]!.mul(banks[i]!).sum([0]));
        });
      });
    }
    return scores;
  },
};

const splits = pictures();
const { channels, numClasses } = splits.train;
const network = new ResNet({ name: 'resnet10', stem: 'small', width: 16, inChannels: channels, numClasses });
convertToPartial(network, { bankInitialisation: 'independent' });

const [training, partition] = [{ epochs: 2 }, { ratio: 0.3 }];
const task = new PictureTask({ network, splits });
for await (const event of new Trainer({ task, training, partition, saliency: gradientTimesWeight }).run()) {
  if (event.type === 'partition') console.log(event.dynamicRatioByLayer);
}
