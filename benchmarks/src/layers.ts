/**
 * One layer alone in this process, forward and backward and forward alone: how convolutions and experts are measured.
 */
import { backward, memoryUsage, noGrad, ones, scope, type nn, type Tensor } from '@padnet/torch';
import { MoELinear, Routing } from '../../packages/padnet/dist/layers/index.js';
import { inTurns, sample } from './measure.js';
import { roofline } from './roofline.js';
import type { Row } from './table.js';

export interface Candidate {
  readonly layer: string;
  /** How it is computed; null where it is libtorch's. */
  readonly plan?: string | null;
  readonly create: () => nn.Layer;
  /** Its stored numbers, and the multiply-accumulates that a forward pass takes at least. */
  readonly sizeOf: (layer: nn.Layer) => { readonly parameters: number; readonly macs: number };
}

/**
 * @param input takes gradients
 * @param ratio the name of the ratio to a layer that may be among the candidates
 */
export async function measureLayers(
  candidates: readonly Candidate[],
  [input, outputGradient]: readonly [input: Tensor, outputGradient: Tensor],
  ratio: 'ratioToStatic' | 'ratioToDense',
  repeats: number,
) {
  const sizes: (ReturnType<Candidate['sizeOf']> & { readonly held: number })[] = [];
  const passes = candidates.flatMap(({ create, sizeOf }, index) => {
    const before = memoryUsage().allocated;
    const trained = scope(() => create().train());
    sizes.push({ ...sizeOf(trained), held: memoryUsage().allocated - before });
    // A layer of its own, for in evaluation mode a layer keeps what training would make anew.
    const evaluated = scope(() => create().eval());
    const forward = (): Tensor => noGrad(() => evaluated.forward(input));
    return [
      [
        `${index} forwardBackward`,
        () =>
          sample(() => {
            trainingPass(trained, input, outputGradient);
          }),
      ] as const,
      [`${index} forward`, () => sample(forward)] as const,
    ];
  });
  const measured = await inTurns(Object.fromEntries(passes), repeats, 3);
  const reference = candidates.findIndex(({ layer }) => `ratioTo${layer}`.toLowerCase() === ratio.toLowerCase());
  return candidates.map(({ layer, plan }, index) => {
    const { held, ...size } = sizes[index]!;
    const work = { ...size, input: input.numel, output: outputGradient.numel };
    const costOf = (pass: 'forward' | 'forwardBackward') => {
      const mine = measured[`${index} ${pass}`]!;
      const toReference = { [ratio]: mine.ratioTo(measured[`${reference} ${pass}`]) };
      return { ...mine.cost, ...toReference, ...roofline(work, pass, mine.cost.seconds) };
    };
    return {
      layer,
      ...(plan !== undefined && { plan }),
      forwardBackward: costOf('forwardBackward'),
      forward: costOf('forward'),
      peakMemoryBytes:
        input.byteLength + outputGradient.byteLength + held + measured[`${index} forwardBackward`]!.mostBytes,
      parameters: size.parameters,
    };
  });
}
export type LayerCost = Awaited<ReturnType<typeof measureLayers>>[number];

/** A row a pass. */
export function passRows({ forward, forwardBackward, peakMemoryBytes, parameters, ...names }: LayerCost): Row[] {
  const layer = 'plan' in names ? { ...names, plan: names.plan ?? 'libtorch' } : names;
  return [
    { ...layer, pass: 'forward + backward', ...forwardBackward, peakMemoryBytes, parameters },
    { ...layer, pass: 'forward', ...forward, peakMemoryBytes: null, parameters },
  ];
}

/** With the gradients of input and parameters; of experts with their auxiliary loss. */
function trainingPass(layer: nn.Layer, input: Tensor, outputGradient: Tensor): void {
  if (layer instanceof MoELinear) {
    const routing = new Routing();
    const output = layer.forward(input, routing);
    backward([output, routing.auxiliaryLoss()!], { gradients: [outputGradient, ones([])] });
  } else backward(layer.forward(input), { gradients: [outputGradient] });
  layer.zeroGrad();
  input.grad = null;
}
