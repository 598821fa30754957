/**
 * How fast the machine computes: matrix products (BLAS) and convolutions (oneDNN), in floating-point operations a second; and
 * how fast it reads and writes memory.
 */
import { getNumThreads, noGrad, ops, scope, setNumThreads } from '@padnet/torch';
import { median } from '../statistics.js';
import type { MachinePeaks } from './roofline.js';

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

/**
 * What roofs measured speeds: the faster of libtorch's matrix product and convolution, and memory as `a += b` of 128 MB each
 * reads and writes it, with the threads that are set.
 */
export function machinePeaks(repeats = 3): MachinePeaks {
  return {
    flopsPerSecond: Math.max(matmulGigaflops(1536, repeats), convolutionGigaflops(repeats)) * 1e9,
    bytesPerSecond: memoryBytesPerSecond(repeats),
  };
}

/** 10⁹ operations a second of a float32 convolution of 3×3 with 512 channels, whose maps and weights are in the cache. */
function convolutionGigaflops(repeats: number): number {
  const [batch, channels, side, kernel] = [1, 512, 28, 3];
  return scope(() =>
    noGrad(() => {
      const images = ops.randn([batch, channels, side, side]).contiguous({ memoryFormat: 'channels_last' });
      const weight = ops.randn([channels, channels, kernel, kernel]);
      const seconds = medianSeconds(() => ops.conv2d(images, weight, { padding: [1, 1] }), repeats);
      return (2 * batch * (channels * side * kernel) ** 2) / seconds / 1e9;
    }),
  );
}

function memoryBytesPerSecond(repeats: number): number {
  return scope(() =>
    noGrad(() => {
      const a = ops.ones([2 ** 25]);
      const b = ops.zeros([2 ** 25]);
      const seconds = medianSeconds(() => a.add_(b), repeats);
      return (2 * a.byteLength + b.byteLength) / seconds; // both are read, one is written
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
