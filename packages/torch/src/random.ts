/** Seeded random numbers. Every random operator takes `{ generator }`; without it, the default generator is used. */
import { native } from './native.js';
import { Tensor } from './tensor.js';
import { uncloneable } from './uncloneable.js';

export class Generator {
  #handle: number | null = null;
  /** @internal */
  protected readonly uncloneable = uncloneable;

  /** A CPU generator. @param seed a whole number */
  constructor(seed: number);
  /** @internal the default generator */
  constructor(seed: null);
  constructor(seed: number | null) {
    if (seed !== null) this.#create(seed);
  }

  /** @internal The default generator is made when it is first used: importing it starts nothing. */
  get handle(): number {
    return this.#handle ?? this.#create(null);
  }

  #create(seed: number | null): number {
    this.#handle = native.createGenerator(seed);
    finalizer.register(this, this.#handle);
    return this.#handle;
  }

  /** @throws TypeError: what would come back of it is no generator */
  toJSON(): never {
    throw new TypeError('JSON has no generators: save getState()');
  }

  manualSeed(seed: number): void {
    native.seedGenerator(this.handle, seed);
  }

  /** The whole state, a uint8 tensor: saved and set again, the same numbers follow. */
  getState(): Tensor {
    return new Tensor(native.getGeneratorState(this.handle));
  }

  /** @throws where `state` is not what `getState` gave */
  setState(state: Tensor): void {
    native.setGeneratorState(this.handle, state.handle);
  }
}

const finalizer = new FinalizationRegistry<number>((handle) => {
  native.releaseGenerator(handle);
});

/** The generator of every random operator that is given none (initialisation, dropout). One a process. */
export const defaultGenerator = new Generator(null);

/** Seeds the default generator, as `torch.manual_seed` does. */
export function manualSeed(seed: number): void {
  defaultGenerator.manualSeed(seed);
}
