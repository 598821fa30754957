/** The kinds of a network's layers, as recipes, saved models and commands name them. */
import { z } from 'zod';

/**
 * Nothing, everything or some of a layer depends on the input (PAD-Net). Which dynamic layer it is says
 * `model.convolution` of pictures; of texts it is a mixture of experts.
 */
export const layerKinds = ['static', 'dynamic', 'partial'] as const;
export type LayerKind = (typeof layerKinds)[number];

/** The names that kinds had in earlier versions. */
const formerNames: ReadonlyMap<unknown, LayerKind> = new Map([
  ['dyconv', 'dynamic'],
  ['moe', 'dynamic'],
  ['pad', 'partial'],
]);

/** A kind by the name that it has now; other values as they are. */
export function currentLayerKind(value: unknown): unknown {
  return formerNames.get(value) ?? value;
}

/** The remark that a kind has another name now; null where it has not. */
export function formerNameRemark(value: unknown): string | null {
  const kind = formerNames.get(value);
  return kind === undefined ? null : `${String(value)} is called ${kind} now`;
}

/** Takes the former names too. */
export const layerKindSchema = z.preprocess(currentLayerKind, z.enum(layerKinds));
