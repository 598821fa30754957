/** The sources that a layer's weight may come from, told apart by `kind`. */
import type { nn } from '@padnet/torch';
import { Bank, StaticSource } from '../dynamic/index.js';
import { PartialSource } from './partialSource.js';
import { SearchSource } from './searchSource.js';

export type ParameterSource = StaticSource | Bank | SearchSource | PartialSource;

/** Those of partial layers, which have a mask. */
export type MaskedSource = SearchSource | PartialSource;

/** The source that a module is; null of every other module. */
export function sourceOf(module: nn.Module): ParameterSource | null {
  const isSource = [StaticSource, Bank, SearchSource, PartialSource].some((kind) => module instanceof kind);
  return isSource ? (module as ParameterSource) : null;
}

export function isMasked(source: ParameterSource | null): source is MaskedSource {
  return source?.kind === 'searched' || source?.kind === 'partial';
}
