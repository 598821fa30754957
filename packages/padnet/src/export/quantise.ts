/**
 * Weights as whole numbers of 8 bits, symmetric, with a scale for each output channel o:
 *
 *     q = round(w / s_o),   s_o = max |w_o| / 127,   w ≈ s_o q
 */
import { numEntries, type Mask } from '../partial/index.js';

export interface Quantised {
  readonly numbers: Int8Array;
  /** One of each channel; 0 where a channel has no number but 0. */
  readonly scales: Float32Array;
}

/** @param channelOf the channel of each number, from 0 to `numChannels` − 1 */
export function quantise(weights: Float32Array, channelOf: (index: number) => number, numChannels: number): Quantised {
  const scales = new Float32Array(numChannels);
  for (let index = 0; index < weights.length; index++) {
    const channel = channelOf(index);
    scales[channel] = Math.max(scales[channel]!, Math.abs(weights[index]!));
  }
  for (let channel = 0; channel < numChannels; channel++) scales[channel]! /= 127;
  const numbers = Int8Array.from(weights, (weight, index) => {
    const scale = scales[channelOf(index)]!;
    // A scale may be rounded down where numbers are near the smallest that there are.
    return scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(weight / scale)));
  });
  return { numbers, scales };
}

export function dequantise({ numbers, scales }: Quantised, channelOf: (index: number) => number): Float32Array {
  return Float32Array.from(numbers, (number, index) => number * scales[channelOf(index)]!);
}

/** Channels of a tensor that has as many numbers of each, one channel after the other. */
export function evenChannels(length: number, numChannels: number): (index: number) => number {
  const perChannel = length / numChannels;
  return (index) => Math.floor(index / perChannel);
}

export interface PartialChannels {
  /** Of a bank [K, d]: one of each kernel's channels, k O + o. */
  readonly bank: (index: number) => number;
  /** Of a static weight [n − d]. */
  readonly staticWeight: (index: number) => number;
}

/** Channels of the numbers of a partial layer: those of the positions in the weight where they stand. */
export function partialChannels(mask: Mask): PartialChannels {
  const [numChannels = 0] = mask.shape;
  const perChannel = numEntries(mask.shape) / numChannels;
  const dynamic = new Uint32Array(mask.count);
  const fixed = new Uint32Array(mask.size - mask.count);
  let [nextDynamic, nextStatic] = [0, 0];
  for (let position = 0; position < mask.size; position++) {
    const channel = Math.floor(position / perChannel);
    if (mask.has(position)) dynamic[nextDynamic++] = channel;
    else fixed[nextStatic++] = channel;
  }
  return {
    bank: (index) => {
      const kernel = Math.floor(index / mask.count);
      return kernel * numChannels + dynamic[index - kernel * mask.count]!;
    },
    staticWeight: (index) => fixed[index]!,
  };
}
