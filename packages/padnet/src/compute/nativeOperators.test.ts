import { readFileSync } from 'node:fs';
import { fromTypedArray, grad, nn, noGrad, ops, randn, scope, type Tensor } from '@padnet/torch';
import { libraryOperators } from '@padnet/torch/generate';
import { checkFailingAllocations, checkSteadyMemory } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { loadNativeLibrary } from './nativeLibrary.js';
import { fusedConv2d, fusedExperts, packConv2d, packedConv2d } from './nativeOperators.js';

it('has calls that are what the generator writes', () => {
  loadNativeLibrary();
  const committed = new URL('../../src/compute/nativeOperators.generated.ts', import.meta.url);
  expect(readFileSync(committed, 'utf8')).toBe(libraryOperators('padnet', 'npm run generate -w padnet'));
});

const leaf = (shape: number[]): Tensor => randn(shape, { requiresGrad: true });

/** Every other entry is dynamic. */
function halfOf(size: number) {
  const maskBits = fromTypedArray(new Uint8Array(size / 8).fill(0x55));
  return { weight: leaf([size / 2]), scale: leaf([]), maskBits };
}

interface ConvolutionKind {
  readonly groups?: number;
  readonly isPartial?: boolean;
}

function operands({ groups = 1, isPartial = false }: ConvolutionKind) {
  const geometry = nn.conv2dGeometry({ inChannels: 16, outChannels: 16, kernelSize: 3, padding: 1, groups });
  const shape = nn.convWeightShape(geometry);
  const size = shape.reduce((product, of) => product * of);
  const staticPart = isPartial ? halfOf(size) : null;
  const bank = leaf(staticPart ? [3, size / 2] : [3, ...shape]);
  const [input, coefficients] = [leaf([6, 16, 9, 9]), leaf([6, 3])];
  return { geometry, staticPart, bank, input, coefficients };
}

function convolution(kind: ConvolutionKind): () => void {
  const { geometry, staticPart, bank, input, coefficients } = operands(kind);
  const leaves = [input, coefficients, bank, ...(staticPart ? [staticPart.weight, staticPart.scale] : [])];
  return () => {
    scope(() => grad(fusedConv2d(input, coefficients, bank, staticPart, geometry).sum(), leaves).length);
  };
}

function packed(kind: ConvolutionKind): () => void {
  const { geometry, staticPart, bank, input, coefficients } = operands(kind);
  const [scale, shift, residual] = [leaf([16]), leaf([16]), leaf([6, 16, 9, 9])];
  const epilogue = { shift, residual, activation: 'relu' } as const;
  return () => {
    scope(() =>
      noGrad(
        () =>
          packedConv2d(input, coefficients, packConv2d(bank, null, staticPart, geometry, scale), geometry, epilogue)
            .dim,
      ),
    );
  };
}

function experts({ isPartial = false }): () => void {
  const [numExperts, outFeatures, inFeatures] = [4, 40, 48];
  const staticPart = isPartial ? halfOf(outFeatures * inFeatures) : null;
  const chosen = ops.arange(64, { dtype: 'int64' }).remainder(numExperts).reshape([32, 2]);
  const [tokens, weights] = [leaf([32, inFeatures]), leaf([32, 2])];
  const [biasBank, scale] = [leaf([numExperts, outFeatures]), leaf([])];
  const bank = leaf([numExperts, ...(staticPart ? [(outFeatures * inFeatures) / 2] : [outFeatures, inFeatures])]);
  const leaves = [tokens, weights, bank, biasBank, scale, ...(staticPart ? [staticPart.weight, staticPart.scale] : [])];
  return () => {
    scope(() => {
      const output = fusedExperts({ tokens, experts: chosen, weights, bank, biasBank, scale, staticPart, outFeatures });
      return grad(output.sum(), leaves).length;
    });
  };
}

describe.each<[string, () => () => void]>([
  ['a dynamic convolution', () => convolution({})],
  ['a partial convolution', () => convolution({ isPartial: true })],
  ['a grouped convolution', () => convolution({ groups: 2, isPartial: true })],
  ['a depth-wise convolution', () => convolution({ groups: 16 })],
  ['a packed convolution', () => packed({})],
  ['a packed partial convolution', () => packed({ groups: 2, isPartial: true })],
  ['experts', () => experts({})],
  ['partial experts', () => experts({ isPartial: true })],
])('%s, forward and backward', (_, make) => {
  it('leaves memory as it was', () => {
    checkSteadyMemory(make(), { warmUp: 100, repeats: 300 });
  });

  it('leaves nothing behind where it runs out of memory on the way', () => {
    expect(checkFailingAllocations(make())).toBeGreaterThan(4);
  });
});
