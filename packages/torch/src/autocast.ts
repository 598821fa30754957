/** Mixed precision: matrix products and convolutions in bfloat16, everything else as it was. */
import { native } from './native.js';
import { runSynchronous } from './synchronous.js';

/**
 * Runs `body` under libtorch's autocast, as `torch.autocast`: matrix products and convolutions of float32 tensors cast
 * what they are given to `dtype` and give it; what needs the range or the digits of float32 casts back. Parameters stay
 * float32, and so do their gradients: call `backward` outside. Of tensors on the CPU and CUDA devices; `null` switches
 * it off within.
 *
 * A device gains that computes bfloat16 faster (AMX, AVX512_BF16, CUDA from Ampere on); others take longer than for
 * float32. Our own operators are for float32 and float64: the layers cast before them, which reads and writes the
 * activations once more.
 *
 * @throws TypeError where `body` is async
 */
export function autocast<T>(dtype: 'bfloat16' | null, body: () => T): T {
  const before = native.setAutocast(dtype);
  try {
    return runSynchronous('autocast', body);
  } finally {
    native.setAutocast(before);
  }
}
