/**
 * How near a measured time is to what the machine allows: nothing is faster than its arithmetic at the rate of a large
 * matrix product, nor than moving its numbers at the rate of memory, whichever takes longer (Williams et al. 2009).
 */
import { ops, scope } from '@padnet/torch';
import { matmulGigaflops } from '../../packages/padnet/dist/analysis/machineSpeed.js';
import { medianSeconds } from '../../packages/padnet/dist/analysis/timing.js';
import { formatBytes } from '../../packages/padnet/dist/report/format.js';

/** The least that an operation has to compute and to move. */
export interface LeastWork {
  /** Multiply-accumulates of a forward pass. */
  readonly macs: number;
  /** Numbers that it stores. */
  readonly parameters: number;
  /** Numbers that it reads and writes in a forward pass, where no cache can hold them. */
  readonly input?: number;
  readonly output?: number;
}

/** How many products of its size a pass is, and how often each number is moved. */
const passes = {
  forward: { products: 1, input: 1, output: 1, parameters: 1 },
  // The input is read for the output and for the weight's gradient, and its own is written; the output's gradient is
  // read. A parameter is read forward and for the input's gradient, and its own is written.
  forwardBackward: { products: 3, input: 3, output: 2, parameters: 3 },
  // The optimizer reads parameter, gradient and momentum as well, and writes two.
  step: { products: 3, input: 3, output: 2, parameters: 8 },
};
const floatBytes = 4;

export function roofline(
  { macs, parameters, input = 0, output = 0 }: LeastWork,
  pass: keyof typeof passes,
  seconds: number,
) {
  const times = passes[pass];
  const { flopsPerSecond, bytesPerSecond } = machinePeaks();
  const flops = 2 * macs * times.products;
  const moved = input * times.input + output * times.output + parameters * times.parameters;
  const [arithmetic, memory] = [flops / flopsPerSecond, (floatBytes * moved) / bytesPerSecond];
  // The share is that of the time at the machine's peaks; it is above 1 where the numbers stay in a cache.
  const share = Math.max(arithmetic, memory) / seconds;
  return { gigaflops: flops / seconds / 1e9, share, bound: memory > arithmetic ? 'memory' : 'arithmetic' };
}

/** @param computed what is computed at least @param moved what is read and written at least */
export function roofNote(computed: string, moved: string): string {
  const { flopsPerSecond, bytesPerSecond } = machinePeaks();
  const speed = `${(flopsPerSecond / 1e9).toFixed(0)} GF/s`;
  return `the roof: ${computed} at ${speed}, or ${moved} at ${formatBytes(bytesPerSecond)}/s, whichever takes longer`;
}

/** The best rates that the machine reaches with the threads that are set: measured when they are first asked for. */
export function machinePeaks() {
  return (peaks ??= measurePeaks());
}
let peaks: ReturnType<typeof measurePeaks> | undefined;

/**
 * The faster of libtorch's matrix product and convolution (3×3 with 512 channels, whose maps and weights are in the
 * cache), and memory as `a += b` of 128 MB each reads and writes it.
 */
function measurePeaks() {
  return scope(() => {
    const [channels, side, kernel, repeats] = [512, 28, 3, 3];
    const images = ops.randn([1, channels, side, side]).contiguous({ memoryFormat: 'channels_last' });
    const weight = ops.randn([channels, channels, kernel, kernel]);
    const convolution = medianSeconds(() => ops.conv2d(images, weight, { padding: [1, 1] }), repeats);
    const flops = Math.max(1e9 * matmulGigaflops(1536, repeats), (2 * (channels * side * kernel) ** 2) / convolution);
    const [a, b] = [ops.ones([2 ** 25]), ops.zeros([2 ** 25])];
    const memory = medianSeconds(() => a.add_(b), repeats);
    const bytes = 2 * a.byteLength + b.byteLength; // both are read, one is written
    return { flopsPerSecond: flops, bytesPerSecond: bytes / memory };
  });
}
