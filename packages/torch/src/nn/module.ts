/**
 * The base of all layers and networks, as `torch.nn.Module`. Properties that are parameters, buffers and modules are
 * found by themselves; their names in state dicts are the property names in snake_case (`runningMean` →
 * `running_mean`), so that PyTorch's weights load unchanged.
 */
import { noGrad } from '../autograd.js';
import type { Device } from '../device.js';
import { isDType, type DType } from '../dtype.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { Buffer, Parameter } from './parameter.js';

/** Tensors by name, in the order of the modules. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** A module of one input and one output. */
export interface Layer extends Module {
  forward(input: Tensor): Tensor;
}

/** `runningMean` → `running_mean`; names that begin with a capital stay (`LayerNorm`). */
export function stateName(property: string): string {
  return /^[A-Z]/.test(property) ? property : property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The module that last gave a parameter, by `parameters()` or `namedParameters()`. */
const givers = new WeakMap<Parameter, WeakRef<Module>>();

/** The module whose `parameters()` or `namedParameters()` a parameter was last taken from, where it is still there. */
export function giverOf(parameter: Tensor): Module | undefined {
  return parameter instanceof Parameter ? givers.get(parameter)?.deref() : undefined;
}

export class Module {
  /** Dropout drops and batch norm uses the batch only where this is true. Set by `train` and `eval`. */
  training = true;

  /** @throws TypeError: what would come back of it is no module */
  toJSON(): never {
    throw new TypeError(
      `JSON has no modules: save the stateDict() of the ${this.constructor.name} by saveSafetensors()`,
    );
  }

  /** Direct children by name. */
  *children(): Iterable<[name: string, module: Module]> {
    for (const [property, value] of Object.entries(this)) {
      if (value instanceof Module) yield [stateName(property), value];
    }
  }

  /** Replaces the direct child `name`. */
  setChild(name: string, module: Module): void {
    for (const [property, value] of Object.entries(this)) {
      if (value instanceof Module && stateName(property) === name) {
        Object.assign(this, { [property]: module });
        return;
      }
    }
    throw new RangeError(`no module '${name}' in ${this.constructor.name}`);
  }

  /** This module (named '') and all below it, by path such as `layer1.0.conv1`. */
  *namedModules(prefix = ''): Iterable<[path: string, module: Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.namedModules(prefix === '' ? name : `${prefix}.${name}`);
  }

  /** @throws where there is no module at `path` */
  getModule(path: string): Module {
    for (const [name, module] of this.namedModules()) if (name === path) return module;
    throw new RangeError(`no module '${path}' in ${this.constructor.name}`);
  }

  /** Replaces the module at `path`. */
  replaceModule(path: string, module: Module): void {
    const dot = path.lastIndexOf('.');
    const parent = dot < 0 ? this : this.getModule(path.slice(0, dot));
    parent.setChild(path.slice(dot + 1), module);
  }

  /** A parameter that two modules share comes once, under its first name (in a state dict it has both). */
  *namedParameters(): Iterable<[name: string, parameter: Parameter]> {
    const seen = new Set<Parameter>();
    const giver = new WeakRef(this);
    for (const [name, value] of this.ownTensors()) {
      if (!(value instanceof Parameter) || seen.has(value)) continue;
      seen.add(value);
      givers.set(value, giver);
      yield [name, value];
    }
  }

  *namedBuffers(): Iterable<[name: string, buffer: Buffer]> {
    for (const [name, value] of this.ownTensors()) if (value instanceof Buffer) yield [name, value];
  }

  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, parameter]) => parameter);
  }

  private *ownTensors(): Iterable<[name: string, tensor: Parameter | Buffer]> {
    for (const [path, module] of this.namedModules()) {
      for (const [property, value] of Object.entries(module)) {
        if (value instanceof Parameter || value instanceof Buffer) {
          yield [path === '' ? stateName(property) : `${path}.${stateName(property)}`, value];
        }
      }
    }
  }

  /** All parameters and buffers by name: the tensors themselves, not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.ownTensors());
  }

  /**
   * Copies values into the parameters and buffers of the same names.
   *
   * @throws naming every tensor that is missing, unexpected or of another shape; then nothing was changed
   */
  loadStateDict(state: StateDict): void {
    const mine = this.stateDict();
    const problems: string[] = [];
    for (const [name, target] of mine) {
      const source = state.get(name);
      if (source === undefined) problems.push(`missing ${name} [${target.shape.join(', ')}]`);
      else if (source.shape.join() !== target.shape.join()) {
        problems.push(`${name} has shape [${source.shape.join(', ')}], expected [${target.shape.join(', ')}]`);
      }
    }
    for (const name of state.keys()) if (!mine.has(name)) problems.push(`unexpected ${name}`);
    if (problems.length > 0) {
      const shown = problems.slice(0, 3).join('; ');
      const more = problems.length > 3 ? `; and ${problems.length - 3} more` : '';
      throw new RangeError(`the weights do not fit ${this.constructor.name}: ${shown}${more}`);
    }
    noGrad(() => {
      for (const [name, target] of mine) target.copy_(state.get(name)!);
    });
  }

  train(training = true): this {
    for (const [, module] of this.namedModules()) module.training = training;
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** Converts all floating parameters and buffers, in place (all, for a device); their gradients are dropped. */
  to(target: DType | Device): this {
    const floatingOnly = isDType(target);
    scope(() => {
      noGrad(() => {
        for (const [, tensor] of this.ownTensors()) {
          if (floatingOnly && !tensor.dtype.includes('float')) continue;
          const converted = tensor.to(target);
          if (converted !== tensor) tensor.moveTo(converted);
        }
      });
    });
    return this;
  }

  /** Calls `change` on this module and all below it. */
  apply(change: (module: Module) => void): this {
    for (const [, module] of this.namedModules()) change(module);
    return this;
  }

  /** Frees the gradients of all parameters. */
  zeroGrad(): void {
    for (const [, parameter] of this.namedParameters()) parameter.grad = null;
  }
}
