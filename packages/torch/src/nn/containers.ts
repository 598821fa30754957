/** Modules made of other modules in a row; children are named by their position, as in PyTorch. */
import type { Tensor } from '../tensor.js';
import { Module, type Layer } from './module.js';

/** Modules by position, for a network to call as it likes. */
export class ModuleList<M extends Module = Module> extends Module {
  readonly items: M[];

  constructor(items: Iterable<M>) {
    super();
    this.items = [...items];
  }

  override *children(): Iterable<[name: string, module: Module]> {
    for (const [index, module] of this.items.entries()) yield [String(index), module];
  }

  override setChild(name: string, module: Module): void {
    if (!(Number(name) in this.items)) throw new RangeError(`no module '${name}' in a list of ${this.items.length}`);
    this.items[Number(name)] = module as M;
  }
}

/** Layers applied one after the other. */
export class Sequential extends ModuleList<Layer> {
  constructor(...layers: readonly Layer[]) {
    super(layers);
  }

  forward(input: Tensor): Tensor {
    return this.items.reduce((x, layer) => layer.forward(x), input);
  }
}
