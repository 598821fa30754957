/** What the three kinds of layers are, in words. */
import type { Site, SiteModel } from './site.js';

const meanings: Readonly<Record<Site['modality'], Readonly<Record<SiteModel['layer'], string>>>> = {
  image: {
    static: 'One kernel in each layer, the same for every picture.',
    dynamic: 'Several kernels in each layer, mixed anew for every picture: several times the numbers.',
    partial: 'Only the entries that matter most are mixed anew for every picture; the others are stored once.',
  },
  text: {
    static: 'One block in each layer, the same for every token.',
    dynamic: 'Several experts in each layer, of which each token gets a few: several times the numbers.',
    partial: 'Only the entries that matter most differ from expert to expert; the others are stored once.',
  },
};

const names: Readonly<Record<SiteModel['layer'], string>> = {
  static: 'static',
  dynamic: 'fully dynamic',
  partial: 'partially dynamic',
};

export function layerKind(layer: SiteModel['layer']): string {
  return names[layer];
}

export function meaning(modality: Site['modality'], layer: SiteModel['layer']): string {
  return meanings[modality][layer];
}
