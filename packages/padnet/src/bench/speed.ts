/** How fast the machine computes: matrix products (BLAS) and convolutions (oneDNN), in floating-point operations a second. */
import { getNumThreads, noGrad, ops, scope, setNumThreads } from '@padnet/torch';
import { median } from './statistics.js';

/** 10⁹ operations a second of a float32 matrix product [size, size] × [size, size]. */
export function matmulGigaflops(size = 1024, repeats = 5): number {
  return scope(() =>
    noGrad(() => {
      const a = ops.randn([size, size]);
      const b = ops.randn([size, size]);
      const seconds = medianSeconds(() => ops.matmul(a, b), repeats);
      return (2 * size ** 3) / seconds / 1e9;
    }),
  );
}

/** How many times as fast a convolution is with `threads` as with one; the number of threads is left as it was. */
export function threadSpeedUp(threads: number, repeats = 7): number {
  const before = getNumThreads();
  try {
    return scope(() =>
      noGrad(() => {
        const images = ops.randn([16, 64, 56, 56]);
        const kernel = ops.randn([64, 64, 3, 3]);
        const seconds = (count: number): number => {
          setNumThreads(count);
          return medianSeconds(() => ops.conv2d(images, kernel, { padding: [1, 1] }), repeats);
        };
        return seconds(1) / seconds(threads);
      }),
    );
  } finally {
    setNumThreads(before);
  }
}

function medianSeconds(body: () => unknown, repeats: number): number {
  const once = (): number => {
    const start = performance.now();
    scope(() => void body());
    return (performance.now() - start) / 1000;
  };
  once();
  return median(Array.from({ length: repeats }, once));
}
