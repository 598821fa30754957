/**
 * The names of a network's tensors in files where something is wrapped around it: a checkpoint, a task's module,
 * PyTorch's own.
 */
import type { Tensor } from '@padnet/torch';
import { InputError } from '../errors.js';

/**
 * The parts that `torch.compile`, FSDP and activation checkpointing put into names, wherever the module is that they
 * were given.
 */
const inserted = /(?<=^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** The prefixes that checkpoints, `DataParallel` and training frameworks put before names. */
const usual = /^(?:(?:state_dict|model_state_dict|model|module|network|net|backbone)\.)*$/;

/**
 * The tensors of the network in a file, by its own names: those that begin with the one prefix that it is found under.
 * Where there are several, it is the one of no prefix, or of a usual one such as `state_dict.module.` (so not
 * `model_ema.`).
 *
 * @param prefixOf what stands before a tensor's name, where the tensor is one that tells the network; else null
 * @param file named in errors
 * @throws InputError where it is found under several prefixes, which it names
 */
export function unwrapNames(
  tensors: ReadonlyMap<string, Tensor>,
  prefixOf: (name: string, tensors: ReadonlyMap<string, Tensor>) => string | null,
  file: string,
): Map<string, Tensor> {
  const plain = new Map(Array.from(tensors, ([name, tensor]) => [name.replace(inserted, ''), tensor]));
  const found = [...plain.keys()].map((name) => prefixOf(name, plain)).filter((prefix) => prefix !== null);
  const likely = found.includes('') ? [''] : found.filter((prefix) => usual.test(prefix));
  const [prefix = '', another] = likely.length > 0 ? likely : found;
  if (another !== undefined) {
    const list = (likely.length > 0 ? likely : found).map((each) => `'${each}'`).join(', ');
    throw new InputError(`${file}: holds several networks, under ${list}; save only the one that is meant`);
  }
  return new Map(
    Array.from(plain)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
}

/** The text before `tensor` in `name`; null where `name` does not end with it. */
export function prefixBefore(tensor: string, name: string): string | null {
  return name === tensor ? '' : name.endsWith(`.${tensor}`) ? name.slice(0, -tensor.length) : null;
}
