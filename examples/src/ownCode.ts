/**
 * A router and a score of one's own in a program. In a recipe it takes two lines (`recipes/ownCode.yaml`).
 *
 *     node examples/dist/ownCode.js [folder/of/pictures]
 */
import { convertToPartial, PictureTask, ResNet, Trainer } from 'padnet';
import router from './ownRouter.js';
import saliency from './ownSaliency.js';
import { pictures } from './pictures.js';

const splits = pictures();
const { channels, numClasses } = splits.train;
const network = new ResNet({ name: 'resnet10', stem: 'small', width: 16, inChannels: channels, numClasses });
convertToPartial(network, { router, bankInitialisation: 'independent' });

const [task, training, partition] = [new PictureTask({ network, splits }), { epochs: 2 }, { ratio: 0.3 }];
for await (const event of new Trainer({ task, training, partition, saliency }).run()) {
  if (event.type === 'epoch') console.log(event.epoch, event.trainLoss);
  else if (event.type === 'partition') console.log(event.dynamicRatioByLayer);
}
