/** What the layers of a run are, in the words of papers, and what one layer is called in a figure. */
import type { LayerKind, TextLayerKind } from '../models/index.js';

export type RunLayer = LayerKind | TextLayerKind;

export const layerNames: Readonly<Record<RunLayer, string>> = {
  static: 'static',
  dyconv: 'DY-Conv',
  moe: 'MoE',
  pad: 'PAD-Net',
};

/** The same for pictures and texts: nothing, everything or some of a layer depends on the input. */
export type LayerRole = 'static' | 'dynamic' | 'partial';

export function layerRole(layer: RunLayer): LayerRole {
  return layer === 'static' ? 'static' : layer === 'pad' ? 'partial' : 'dynamic';
}

/** `encoder.layers.3.feed_forward.output` → `3 output`; other paths as they are. */
export function layerLabel(path: string): string {
  return path.replace(/^encoder\.layers\.(\d+)\.feed_forward\.(\w+)$/, '$1 $2');
}
