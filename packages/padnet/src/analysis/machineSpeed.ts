/** How fast the machine is: matrix products (BLAS), threads, and calls through libtorch's dispatcher. */
import { getNumThreads, noGrad, ones, ops, scope, setNumThreads } from '@padnet/torch';
import { medianSeconds } from './timing.js';

/** 10⁹ operations a second of a float32 matrix product [size, size] × [size, size]. */
export function matmulGigaflops(size = 1024, repeats = 5): number {
  return scope(() => {
    const a = ops.randn([size, size]);
    const b = ops.randn([size, size]);
    return (2 * size ** 3) / medianSeconds(() => ops.matmul(a, b), repeats) / 1e9;
  });
}

/** How many times as fast a convolution is with `threads` as with one; the number of threads is left as it was. */
export function threadSpeedUp(threads: number, repeats = 7): number {
  const before = getNumThreads();
  try {
    return scope(() => {
      const images = ops.randn([16, 64, 56, 56]);
      const kernel = ops.randn([64, 64, 3, 3]);
      const seconds = (count: number): number => {
        setNumThreads(count);
        return medianSeconds(() => noGrad(() => ops.conv2d(images, kernel, { padding: [1, 1] })), repeats);
      };
      return seconds(1) / seconds(threads);
    });
  } finally {
    setNumThreads(before);
  }
}

/** The most microseconds that a call of an operator is to take. */
export const targetMicroseconds = 6;

/**
 * The microseconds that a call of an operator takes from TypeScript. On tensors of one number libtorch has next to
 * nothing to compute: it is the checks of arguments, the crossing to C++ and back, the result's `Tensor` and freeing
 * it.
 */
export function callMicroseconds(repeats = 7): number {
  return scope(() => {
    const [a, b] = [ones([1]), ones([1])];
    return (
      (1e6 / callsMeasured) *
      medianSeconds(
        manyCalls(() => ops.add(a, b)),
        repeats,
        2,
      )
    );
  });
}

/** How often what `manyCalls` returns calls. */
export const callsMeasured = 2000;

/** Calls so often, a hundred times in a scope as a small training step does. */
export function manyCalls(call: () => unknown): () => void {
  const hundred = (): void => {
    for (let i = 0; i < 100; i++) call();
  };
  return () => {
    for (let done = 0; done < callsMeasured; done += 100) scope(hundred);
  };
}
