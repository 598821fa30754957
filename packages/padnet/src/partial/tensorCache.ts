/** Tensors that are computed again only when what they are made of has changed; they belong to the cache. */
import { scope, type Tensor } from '@padnet/torch';

export class TensorCache<Key extends string> {
  readonly #entries = new Map<Key, { readonly versions: string; readonly tensors: readonly Tensor[] }>();

  /** @param variant what the tensors depend on beside `inputs` */
  get(key: Key, inputs: readonly Tensor[], make: () => Tensor[], variant = ''): readonly Tensor[] {
    // A handle is never given twice; a tensor that moved to another dtype or device counts its versions anew.
    const versions = `${variant} ${inputs.map(({ handle, version }) => `${handle} ${version}`).join()}`;
    const found = this.#entries.get(key);
    if (found?.versions === versions) return found.tensors;
    this.forget(key);
    const tensors = scope(make).map((tensor) => tensor.keep());
    this.#entries.set(key, { versions, tensors });
    return tensors;
  }

  forget(key: Key): void {
    for (const tensor of this.#entries.get(key)?.tensors ?? []) tensor[Symbol.dispose]();
    this.#entries.delete(key);
  }
}
