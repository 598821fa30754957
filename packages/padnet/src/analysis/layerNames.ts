/** The names of a run's layers in the words of papers, and of single layers in figures. */
import { codeName } from '../ownCode/codeReference.js';
import type { DynamicConvolution, LayerKind, TextLayerKind } from '../models/index.js';
import type { RunRecipe } from '../recipe/recipe.js';

export type RunLayer = LayerKind | TextLayerKind;

export const layerNames: Readonly<Record<RunLayer, string>> = {
  static: 'static',
  dyconv: 'DY-Conv',
  moe: 'MoE',
  pad: 'PAD-Net',
};

/** Whose dynamic convolution a network for pictures has, and where it was published. */
export const convolutionNames: Readonly<Record<DynamicConvolution, { readonly name: string; readonly paper: string }>> =
  {
    dyconv: { name: 'DY-Conv', paper: 'Chen et al. 2020, arXiv 1912.03458' },
    condconv: { name: 'CondConv', paper: 'Yang et al. 2019, arXiv 1904.04971' },
    odconv: { name: 'ODConv', paper: 'Li et al. 2022, arXiv 2209.07947' },
    dcd: { name: 'DCD', paper: 'Li et al. 2021, arXiv 2103.08756' },
  };

/**
 * Such as `DY-Conv`, `ODConv`, `PAD-Net` and `PAD-Net (ODConv)`: that of the paper, on DY-Conv, goes without. Of a
 * router of one's own `dynamic (myRouter.ts)` and `PAD-Net (myRouter.ts)`.
 */
export function modelLayerName(model: RunRecipe['model']): string {
  const name = layerNames[model.layer];
  if (!('convolution' in model) || model.layer === 'static') return name;
  if (model.router !== undefined) return `${model.layer === 'pad' ? name : 'dynamic'} (${codeName(model.router)})`;
  if (model.convolution === 'dyconv') return name;
  const { name: convolution } = convolutionNames[model.convolution];
  return model.layer === 'pad' ? `${name} (${convolution})` : convolution;
}

/** The same for pictures and texts: nothing, everything or some of a layer depends on the input. */
export type LayerRole = 'static' | 'dynamic' | 'partial';

export function layerRole(layer: RunLayer): LayerRole {
  return layer === 'static' ? 'static' : layer === 'pad' ? 'partial' : 'dynamic';
}

/** `encoder.layers.3.feed_forward.output` → `3 output`; other paths as they are. */
export function layerLabel(path: string): string {
  return path.replace(/^encoder\.layers\.(\d+)\.feed_forward\.(\w+)$/, '$1 $2');
}
