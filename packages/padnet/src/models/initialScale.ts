/** The spread that a network's convolutions start with (method.md §6). */
import { nn, noGrad } from '@padnet/torch';
import { z } from 'zod';

/**
 * A factor on the spread of every convolution's effective kernel, but for the first, which is static in all networks;
 * or `perKernel`: static kernels as published, and each kernel of a bank with the spread of a static one, so that their
 * mixture has less.
 */
export const initialScaleSchema = z.union([z.literal('perKernel'), z.number().positive().max(1e6)]);
export type InitialScale = z.infer<typeof initialScaleSchema>;

/** @param network static, with fresh weights */
export function scaleKernels(network: nn.Module, initialScale: InitialScale): void {
  if (initialScale === 'perKernel' || initialScale === 1) return;
  const modules = Array.from(network.namedModules(), ([, module]) => module);
  const [, ...others] = modules.filter((module) => module instanceof nn.Conv);
  noGrad(() => {
    for (const { weight } of others) weight.mul_(initialScale);
  });
}
