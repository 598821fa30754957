/** The names of a run's layers in the words of papers, and of single layers in figures. */
import { codeName } from '../ownCode/codeReference.js';
import type { DynamicConvolution, LayerKind } from '../models/index.js';
import type { RunRecipe } from '../recipe/recipe.js';

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
  if (model.layer === 'static') return name;
  if ('numExperts' in model) return model.layer === 'dynamic' ? 'MoE' : name;
  if (!('convolution' in model)) return name;
  if (model.router !== undefined) return `${name} (${codeName(model.router)})`;
  const { name: convolution } = convolutionNames[model.convolution];
  if (model.layer === 'dynamic') return convolution;
  return model.convolution === 'dyconv' ? name : `${name} (${convolution})`;
}

/** Where nothing more is known than the kind, as of a program of one's own. */
const layerNames: Readonly<Record<LayerKind, string>> = { static: 'static', dynamic: 'dynamic', partial: 'PAD-Net' };

/** `encoder.layers.3.feed_forward.output` → `3 output`; other paths as they are. */
export function layerLabel(path: string): string {
  return path.replace(/^encoder\.layers\.(\d+)\.feed_forward\.(\w+)$/, '$1 $2');
}
