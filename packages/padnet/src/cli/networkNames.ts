import { UsageError } from './usageError.js';

/** `modelNames` of the library, without loading it. */
export const networks = ['resnet10', 'resnet18', 'resnet34', 'resnet50', 'resnet101', 'mobilenetV2'] as const;

/** @throws UsageError where `--width` is no width of that network: a multiplier may be any number, channels are counted */
export function checkWidth(name: string, width: number | undefined): void {
  if (name === 'mobilenetV2' || width === undefined || Number.isInteger(width)) return;
  throw new UsageError(`--width: expected a whole number for ${name}, the channels of its first stage, got ${width}`);
}
