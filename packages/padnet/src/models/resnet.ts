/**
 * ResNet (He et al. 2015) with torchvision's parameter names: 10, 18, 34 (basic blocks), 50 and 101 (bottlenecks), for
 * any number of input channels and any width, with the ImageNet stem (7×7 stride 2, max pool) or one for small pictures
 * (3×3 stride 1).
 */
import { nn, scope, type Tensor } from '@padnet/torch';
import { convNorm, ConvSequential, DynamicConv2d } from '../layers/index.js';

export const resnetNames = ['resnet10', 'resnet18', 'resnet34', 'resnet50', 'resnet101'] as const;
export type ResNetName = (typeof resnetNames)[number];
export const stems = ['imagenet', 'small'] as const;
export type Stem = (typeof stems)[number];

export interface ResNetOptions {
  readonly name: ResNetName;
  readonly numClasses: number;
  /** @default 3 */
  readonly inChannels?: number;
  /** Channels of the first stage; the others have 2, 4 and 8 times as many. @default 64 */
  readonly width?: number;
  /** @default 'imagenet' */
  readonly stem?: Stem;
}

type Stages = readonly [number, number, number, number];

const architectures: Record<ResNetName, { readonly bottleneck: boolean; readonly blocks: Stages }> = {
  resnet10: { bottleneck: false, blocks: [1, 1, 1, 1] },
  resnet18: { bottleneck: false, blocks: [2, 2, 2, 2] },
  resnet34: { bottleneck: false, blocks: [3, 4, 6, 3] },
  resnet50: { bottleneck: true, blocks: [3, 4, 6, 3] },
  resnet101: { bottleneck: true, blocks: [3, 4, 23, 3] },
};

/**
 * Pixels of a batch from which on activations are channels-last. What that saves grows with the activations; what it
 * costs does not: libtorch's convolutions reorder their weights at each call, for one image of 28² 8 ms in all.
 * Measured on AVX-512 (libtorch 1.13) for ResNet-18, channels-last over contiguous: a training step of 16 × 224² takes
 * 0.9 of the time, of 128 × 28² 0.97, of 32 × 28² 1.0; inference of 4 × 224² 0.87, of 1 × 224² 1.08, of 1 × 28² 1.5.
 * Dynamic convolutions have their weights in order, and write channels-last: one picture of 224² takes 0.8 of the time
 * (AVX2).
 */
const channelsLastFrom = 1 << 16;

/** Output channels of a bottleneck over those of its 3×3 convolution. */
const expansion = 4;

function conv(inChannels: number, outChannels: number, kernelSize: number, stride = 1): nn.Conv2d {
  const layer = new nn.Conv2d({
    inChannels,
    outChannels,
    kernelSize,
    stride,
    padding: (kernelSize - 1) / 2,
    bias: false,
  });
  nn.init.kaimingNormal_(layer.weight);
  return layer;
}

/** Batch norm and ReLU. */
function normRelu(numFeatures: number): nn.BatchNorm2d {
  return new nn.BatchNorm2d({ numFeatures, activation: 'relu' });
}

/** The shortcut's 1×1 convolution and norm; null where the input can be added as it is. */
function projection(inChannels: number, outChannels: number, stride: number): ConvSequential | null {
  if (stride === 1 && inChannels === outChannels) return null;
  return new ConvSequential(conv(inChannels, outChannels, 1, stride), new nn.BatchNorm2d({ numFeatures: outChannels }));
}

/** relu(x' + bn2(conv2(relu(bn1(conv1(x)))))), x' = x or its projection. */
export class BasicBlock extends nn.Module {
  readonly conv1: nn.Layer;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Layer;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: ConvSequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = conv(inChannels, channels, 3, stride);
    this.bn1 = normRelu(channels);
    this.conv2 = conv(channels, channels, 3);
    this.bn2 = normRelu(channels);
    this.downsample = projection(inChannels, channels, stride);
  }

  forward(input: Tensor): Tensor {
    const hidden = convNorm(this.conv1, this.bn1, input);
    return convNorm(this.conv2, this.bn2, hidden, () => this.downsample?.forward(input) ?? input);
  }
}

/** 1×1 down, 3×3 (with the stride, as torchvision), 1×1 up. */
export class Bottleneck extends nn.Module {
  readonly conv1: nn.Layer;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Layer;
  readonly bn2: nn.BatchNorm2d;
  readonly conv3: nn.Layer;
  readonly bn3: nn.BatchNorm2d;
  readonly downsample: ConvSequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = conv(inChannels, channels, 1);
    this.bn1 = normRelu(channels);
    this.conv2 = conv(channels, channels, 3, stride);
    this.bn2 = normRelu(channels);
    this.conv3 = conv(channels, channels * expansion, 1);
    this.bn3 = normRelu(channels * expansion);
    this.downsample = projection(inChannels, channels * expansion, stride);
  }

  forward(input: Tensor): Tensor {
    const first = convNorm(this.conv1, this.bn1, input);
    const second = convNorm(this.conv2, this.bn2, first);
    return convNorm(this.conv3, this.bn3, second, () => this.downsample?.forward(input) ?? input);
  }
}

/** Those of our own kernels, whose output is channels-last; DCD's are libtorch's, as static ones are. */
function hasDynamicConvolutions(network: nn.Module): boolean {
  for (const [, module] of network.namedModules()) if (module instanceof DynamicConv2d) return true;
  return false;
}

export class ResNet extends nn.Module {
  readonly conv1: nn.Layer;
  readonly bn1: nn.BatchNorm2d;
  readonly maxpool: nn.Layer;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear;

  constructor({ name, numClasses, inChannels = 3, width = 64, stem = 'imagenet' }: ResNetOptions) {
    super();
    const { bottleneck, blocks } = architectures[name];
    const Block = bottleneck ? Bottleneck : BasicBlock;
    this.conv1 = stem === 'imagenet' ? conv(inChannels, width, 7, 2) : conv(inChannels, width, 3);
    this.bn1 = normRelu(width);
    this.maxpool = stem === 'imagenet' ? new nn.MaxPool2d({ kernelSize: 3, stride: 2, padding: 1 }) : new nn.Identity();
    let previous = width;
    const stage = (index: 0 | 1 | 2 | 3): nn.Sequential => {
      const channels = width * 2 ** index;
      const layers = Array.from({ length: blocks[index] }, (_, position) => {
        const block = new Block(previous, channels, position === 0 && index > 0 ? 2 : 1);
        previous = channels * (bottleneck ? expansion : 1);
        return block;
      });
      return new nn.Sequential(...layers);
    };
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.layer4 = stage(3);
    this.fc = new nn.Linear({ inFeatures: previous, outFeatures: numClasses });
  }

  /** [batch, inChannels, height, width] → logits [batch, numClasses] */
  forward(input: Tensor): Tensor {
    return scope(() => {
      const [batch = 0, , height = 0, width = 0] = input.shape;
      const channelsLast = batch * height * width >= channelsLastFrom || hasDynamicConvolutions(this);
      const images = channelsLast ? input.contiguous({ memoryFormat: 'channels_last' }) : input;
      let x = this.maxpool.forward(convNorm(this.conv1, this.bn1, images));
      for (const stage of [this.layer1, this.layer2, this.layer3, this.layer4]) x = stage.forward(x);
      return this.fc.forward(x.mean([2, 3]));
    });
  }
}
