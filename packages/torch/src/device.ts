/** Where tensors lie. */
import { native } from './native.js';

/** `'cpu'`, `'cuda'` (the first GPU) or `'cuda:1'`. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}`;

/**
 * `name` as a device that this machine and this libtorch have.
 *
 * @throws TypeError where it names none; Error where there is no such GPU, or libtorch was built without CUDA, saying
 *   which
 */
export function checkDevice(name: string): Device {
  native.checkDevice(name);
  return name as Device;
}
