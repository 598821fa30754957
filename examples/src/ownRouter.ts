/**
 * A router of one's own, that of CondConv (Yang et al. 2019): α = sigmoid(fc(pool(x))). The coefficients do not sum to 1.
 *
 *     node examples/dist/ownRouter.js [folder/of/pictures]
 */
import { nn, type Tensor } from '@padnet/torch';
import { convertToPartial, PictureTask, ResNet, Trainer, type Router } from 'padnet';
import { pictures } from './pictures.js';

class SigmoidRouter extends nn.Module implements Router {
  readonly sumsToOne = false;
  readonly fc: nn.Linear;

  constructor(
    readonly inChannels: number,
    readonly numKernels: number,
  ) {
    super();
    this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: numKernels });
  }

  /** [batch, channels, height, width] → [batch, K] */
  forward(input: Tensor): Tensor {
    return this.fc.forward(input.mean([2, 3])).sigmoid();
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * this.fc.weight.numel;
  }
}

const splits = pictures();
const { channels, numClasses } = splits.train;
const network = new ResNet({ name: 'resnet10', stem: 'small', width: 16, inChannels: channels, numClasses });
convertToPartial(network, { router: ({ inChannels }, numKernels) => new SigmoidRouter(inChannels, numKernels) });

const task = new PictureTask({ network, splits });
const trainer = new Trainer({ task, training: { epochs: 2 }, partition: { ratio: 0.3 } });
for await (const event of trainer.run()) if (event.type === 'epoch') console.log(event.epoch, event.testScore);
