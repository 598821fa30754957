/**
 * The base of all optimizers: named parameters in groups, a scale on all learning rates, and state that is saved under
 * the parameters' names. A step hands whole lists of tensors to an operator that goes over each once.
 */
import { noGrad } from '../autograd.js';
import { native } from '../native.js';
import { checkOptions } from '../options.js';
import { giverOf, type Module } from '../nn/module.js';
import { scope } from '../scope.js';
import { Tensor } from '../tensor.js';
import { listed, named, type Parameters } from './parameters.js';

/** Parameters with options of their own; what is not given is the optimizer's. */
export type ParameterGroup<Options> = { readonly parameters: Parameters } & Partial<Options>;

/** A group as the optimizer keeps it. */
export interface Group<Options> {
  readonly names: readonly string[];
  readonly parameters: readonly Tensor[];
  /** Every option filled in; changes take effect at the next step. */
  readonly options: { -readonly [Name in keyof Options]: Options[Name] };
}

/** All that a step depends on besides parameters and options; `numbers` survive JSON exactly. */
export interface OptimizerState {
  /** By kind and parameter: `momentumBuffer.layer1.weight`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly numbers: Readonly<Record<string, number>>;
}

/** A parameter with a gradient, in a step. */
export interface Trained {
  readonly name: string;
  readonly parameter: Tensor;
  readonly gradient: Tensor;
}

export abstract class Optimizer<Options extends { readonly learningRate: number }> {
  readonly groups: readonly Group<Options>[];
  /** Multiplies the learning rate of every group: what a schedule sets before each step. @default 1 */
  learningRateScale = 1;

  /** Names of the state's tensors per parameter, such as `momentumBuffer`. */
  protected abstract readonly tensorKinds: readonly string[];
  /** Names of the state's numbers per parameter, such as `step`. */
  protected abstract readonly numberKinds: readonly string[];

  private readonly parameters = new Map<string, Tensor>();
  /** The modules that parameters were taken from, and the names of those. */
  private readonly givers = new Map<Module, string[]>();
  private tensors = new Map<string, Tensor>();
  private numbers = new Map<string, number>();

  /**
   * @param given what the user asks for
   * @param defaults of every option; undefined where it must be given
   * @param check throws where an option is out of range
   * @throws TypeError naming what is no parameter, group or option; RangeError where there is no parameter, one (or its
   *   name) comes twice, or one is computed from others
   */
  constructor(
    parameters: Parameters | readonly ParameterGroup<Options>[],
    given: Partial<Options>,
    defaults: { readonly [Name in keyof Options]: Options[Name] | undefined },
    check: (options: Options) => void,
  ) {
    const user = this.constructor.name;
    checkOptions(user, given, Object.keys(defaults));
    const known = new Map<Tensor, string>();
    this.groups = groupsOf<Options>(user, parameters).map(({ parameters: members, ...own }) => {
      checkOptions(user, own, Object.keys(defaults));
      const options = { ...defaults, ...withoutUndefined(given), ...withoutUndefined(own) } as Options;
      check(options);
      const entries = named(user, members, this.parameters.size);
      for (const [name, parameter] of entries) {
        if (this.parameters.has(name)) throw new RangeError(`two parameters are named '${name}'`);
        const other = known.get(parameter);
        if (other !== undefined) throw new RangeError(`'${name}' and '${other}' are the same parameter`);
        if (!parameter.isLeaf) {
          throw new RangeError(
            `'${name}' is the result of ${parameter.gradFunction!}: give the parameters that it is of`,
          );
        }
        this.parameters.set(name, parameter);
        known.set(parameter, name);
        const giver = giverOf(parameter);
        if (giver && !this.givers.has(giver)) this.givers.set(giver, []);
        if (giver) this.givers.get(giver)!.push(name);
      }
      return { names: entries.map(([name]) => name), parameters: entries.map(([, p]) => p), options };
    });
    if (this.parameters.size === 0) throw new RangeError('the optimizer was given no parameters');
  }

  /**
   * Changes every parameter that has a gradient; the others are passed over.
   *
   * @throws Error where the module that parameters were taken from has them no more, or they were freed; nothing was
   *   changed then
   */
  step(): void {
    this.checkParameters();
    scope(() => {
      noGrad(() => {
        for (const { names, parameters, options } of this.groups) {
          const trained: Trained[] = [];
          for (const [i, parameter] of parameters.entries()) {
            const gradient = parameter.grad;
            if (gradient !== null) trained.push({ name: names[i]!, parameter, gradient });
          }
          if (trained.length > 0) this.update(trained, options, options.learningRate * this.learningRateScale);
        }
      });
    });
  }

  /** Frees the gradients of all parameters. @throws as `step` */
  zeroGrad(): void {
    this.checkParameters();
    for (const { parameters } of this.groups) for (const parameter of parameters) parameter.grad = null;
  }

  /** The state itself, not copies: save it before the next step. */
  stateDict(): OptimizerState {
    const numbers = Object.fromEntries([['learningRateScale', this.learningRateScale], ...this.numbers]);
    return { tensors: new Map(this.tensors), numbers };
  }

  /**
   * Goes on exactly where `stateDict` was taken: the state is copied. Options are not part of it.
   *
   * @throws RangeError naming what is unknown, or of another shape or dtype; then nothing was changed
   */
  loadStateDict(state: OptimizerState): void {
    const problems = [...this.misfits(state)];
    if (problems.length > 0) {
      const more = problems.length > 8 ? `; and ${problems.length - 8} more` : '';
      throw new RangeError(
        `the state does not fit ${this.constructor.name}: ${problems.slice(0, 8).join('; ')}${more}`,
      );
    }
    const { learningRateScale, ...numbers } = state.numbers;
    const tensors = new Map<string, Tensor>();
    for (const [key, value] of state.tensors) {
      const place = this.parameterOf(key, this.tensorKinds)!.zerosLike().keep();
      tensors.set(
        key,
        noGrad(() => place.copy_(value)),
      );
    }
    for (const old of this.tensors.values()) old[Symbol.dispose]();
    this.tensors = tensors;
    this.numbers = new Map(Object.entries(numbers));
    this.learningRateScale = learningRateScale!;
  }

  /** One step of one group, without recording; tensors that it makes are freed unless kept. */
  protected abstract update(trained: readonly Trained[], options: Options, learningRate: number): void;

  /** The state tensors of one kind; those that are missing are what `initial` makes of their places. */
  protected stateOf(
    kind: string,
    trained: readonly Trained[],
    initial: (missing: readonly number[]) => readonly Tensor[],
  ): Tensor[] {
    const keys = trained.map(({ name }) => `${kind}.${name}`);
    const missing = Array.from(keys.keys()).filter((i) => !this.tensors.has(keys[i]!));
    if (missing.length > 0) {
      const made = initial(missing);
      for (const [j, i] of missing.entries()) this.tensors.set(keys[i]!, made[j]!.keep());
    }
    return keys.map((key) => this.tensors.get(key)!);
  }

  /** Adds 1 to a number of each parameter, from 0. */
  protected count(kind: string, trained: readonly Trained[]): number[] {
    return trained.map(({ name }) => {
      const next = (this.numbers.get(`${kind}.${name}`) ?? 0) + 1;
      this.numbers.set(`${kind}.${name}`, next);
      return next;
    });
  }

  protected hasState(kind: string, name: string): boolean {
    return this.tensors.has(`${kind}.${name}`);
  }

  /**
   * A network whose modules were replaced has other parameters: those held here would be stepped, or passed over, and
   * the network never trained, without a word.
   */
  private checkParameters(): void {
    const gone: string[] = [];
    let owner = '';
    for (const [giver, names] of this.givers) {
      const current = tensorsIn(giver);
      const missing = names.filter((name) => !current.has(this.parameters.get(name)!));
      if (missing.length > 0) owner = ` of the ${giver.constructor.name}`;
      gone.push(...missing);
    }
    for (const [name, parameter] of this.parameters) if (isFreed(parameter)) gone.push(name);
    const [first, ...others] = new Set(gone);
    if (first === undefined) return;
    const more =
      others.length > 0 ? ` and ${others.length} more are no longer parameters` : ' is no longer a parameter';
    throw new Error(
      `${this.constructor.name}: '${first}'${more}${owner}: modules were replaced or freed after the ` +
        'optimizer was made (by a conversion, a partition, replaceModule); make it anew, of the parameters that ' +
        'there are now',
    );
  }

  /** The reason why a state cannot be loaded. */
  private *misfits({ tensors, numbers: { learningRateScale, ...numbers } }: OptimizerState): Iterable<string> {
    for (const [key, value] of tensors) {
      const parameter = this.parameterOf(key, this.tensorKinds);
      if (parameter === undefined) yield `unexpected ${key}`;
      else if (value.shape.join() !== parameter.shape.join() || value.dtype !== parameter.dtype) {
        yield `${key} is ${describe(value)}, expected ${describe(parameter)}`;
      }
    }
    for (const [key, value] of Object.entries(numbers)) {
      if (this.parameterOf(key, this.numberKinds) === undefined) yield `unexpected ${key}`;
      else if (!Number.isFinite(value)) yield `${key} is ${value}, expected a number`;
    }
    if (!Number.isFinite(learningRateScale)) yield 'missing learningRateScale';
    for (const name of this.parameters.keys()) {
      const keys = [...this.tensorKinds, ...this.numberKinds].map((kind) => `${kind}.${name}`);
      const missing = keys.filter((key) => !tensors.has(key) && !Object.hasOwn(numbers, key));
      if (missing.length < keys.length) yield* missing.map((key) => `missing ${key}`);
    }
  }

  /** The parameter that the state `key`, such as `step.conv1.weight`, is of. */
  private parameterOf(key: string, kinds: readonly string[]): Tensor | undefined {
    const kind = kinds.find((candidate) => key.startsWith(`${candidate}.`));
    return kind === undefined ? undefined : this.parameters.get(key.slice(kind.length + 1));
  }
}

function describe({ dtype, shape }: Tensor): string {
  return `${dtype} [${shape.join(', ')}]`;
}

function groupsOf<Options>(user: string, given: unknown): readonly ParameterGroup<Options>[] {
  const items = listed(user, given);
  const isGroup = (item: unknown): item is ParameterGroup<Options> =>
    typeof item === 'object' && item !== null && !(item instanceof Tensor) && 'parameters' in item;
  if (!items.some(isGroup)) return [{ ...({} as Partial<Options>), parameters: items as unknown as Parameters }];
  if (!items.every(isGroup)) throw new TypeError('the optimizer was given both parameters and groups of them');
  return items;
}

/** The tensors that modules have as properties now; names would take longer than all else here. */
function tensorsIn(giver: Module): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const [, module] of giver.namedModules()) {
    for (const value of Object.values(module)) if (value instanceof Tensor) found.add(value);
  }
  return found;
}

function isFreed({ handle }: Tensor): boolean {
  try {
    native.shape(handle);
    return false;
  } catch {
    return true;
  }
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
