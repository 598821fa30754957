import { scope, Tensor } from '@padnet/torch';

/**
 * A value made from tensors, kept as long as these are the same at the same versions. The tensors in it belong to the
 * cache.
 */
export class VersionCache<T> {
  #made: { readonly versions: string; readonly value: T } | null = null;

  /** @param variant what the value depends on beside `inputs` */
  get(inputs: readonly Tensor[], make: () => T, variant = ''): T {
    // A handle is never given twice; a tensor that moved to another dtype or device counts its versions anew.
    const versions = `${variant} ${inputs.map(({ handle, version }) => `${handle} ${version}`).join()}`;
    if (this.#made?.versions === versions) return this.#made.value;
    this.forget();
    const value = scope(make);
    for (const tensor of tensorsIn(value)) tensor.keep();
    this.#made = { versions, value };
    return value;
  }

  forget(): void {
    for (const tensor of tensorsIn(this.#made?.value)) tensor[Symbol.dispose]();
    this.#made = null;
  }
}

/** The value itself, or those in its arrays and objects. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tensorsIn) : [];
}
