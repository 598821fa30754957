/** The batch norms of a network that come right behind a convolution, which can take them over. */
import { nn } from '@padnet/torch';
import { DecomposedConv2d } from './decomposedConv2d.js';
import { DynamicConv } from './dynamicConv.js';

interface Child<M extends nn.Module> {
  readonly name: string;
  readonly module: M;
}

/** Convolutions among a module's children with the batch norm that comes right after each. */
export function normedConvolutions(
  parent: nn.Module,
): { readonly conv: Child<nn.Conv | DynamicConv | DecomposedConv2d>; readonly norm: Child<nn.BatchNorm> }[] {
  const children = [...parent.children()];
  return children.flatMap(([name, module], index) => {
    const [normName = '', norm] = children[index + 1] ?? [];
    const isConv = module instanceof nn.Conv || module instanceof DynamicConv || module instanceof DecomposedConv2d;
    if (!isConv || !(norm instanceof nn.BatchNorm) || norm.runningMean === null) return [];
    return [{ conv: { name, module }, norm: { name: normName, module: norm } }];
  });
}
