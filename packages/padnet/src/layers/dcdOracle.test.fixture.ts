/**
 * DCD as method.md §1 and §2 have it, in loops over plain numbers that share nothing with the library: what
 * `DecomposedConv2d` is compared with. Gradients are central differences.
 */
export interface DcdSpec {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  /** L */
  readonly latent: number;
  /** Width of h. */
  readonly hidden: number;
  readonly kind: 'static' | 'dynamic' | 'partial';
  readonly training: boolean;
}

/** Row-major: x [B, C, H, W], weight [O, C / groups, k, k], q [L, C], p [O, L], bank [S, L, L], fc [S, 4C] … */
export type DcdNumbers = Readonly<Record<DcdName, number[]>>;
export type DcdName =
  | 'x'
  | 'weight'
  | 'bias'
  | 'q'
  | 'p'
  | 'fc'
  | 'gate'
  | 'scale'
  | 'bank'
  | 'static'
  | 'mask'
  | 'phi'
  | `bn${1 | 2}_${'weight' | 'bias' | 'mean' | 'var'}`;

export interface DcdResult {
  /** [B, O, height', width'] */
  readonly y: number[];
  /** Running statistics afterwards. */
  readonly running: Readonly<Record<'bn1_mean' | 'bn1_var' | 'bn2_mean' | 'bn2_var', number[]>>;
}

export function outputSizes({ height, width, kernel, stride, padding, dilation }: DcdSpec): [number, number] {
  const along = (size: number): number => Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  return [along(height), along(width)];
}

export function dcd(spec: DcdSpec, numbers: DcdNumbers): DcdResult {
  const { batch, height, width, inChannels, outChannels, kernel, stride, padding, dilation, groups } = spec;
  const { latent, hidden, kind } = spec;
  const { x, weight, bias, q, p, bank, static: fixed, mask, phi } = numbers;
  const [outHeight, outWidth] = outputSizes(spec);
  const at = (b: number, c: number, i: number, j: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : x[((b * inChannels + c) * height + i) * width + j]!;
  const hsigmoid = (value: number): number => Math.min(6, Math.max(0, value + 3)) / 3;
  const product = (matrix: number[], vector: number[], rows: number): number[] =>
    Array.from({ length: rows }, (_, row) =>
      vector.reduce((sum, value, column) => sum + matrix[row * vector.length + column]! * value, 0),
    );

  const lambda = 2 / (1 + Math.exp(-phi[0]!));
  const fusion: number[][] = [];
  const scales: number[][] = [];
  for (let b = 0; b < batch; b++) {
    const pooled: number[] = [];
    for (let c = 0; c < inChannels; c++) {
      for (const top of [0, 1]) {
        for (const left of [0, 1]) {
          let [sum, count] = [0, 0];
          for (let i = Math.floor((top * height) / 2); i < Math.ceil(((top + 1) * height) / 2); i++) {
            for (let j = Math.floor((left * width) / 2); j < Math.ceil(((left + 1) * width) / 2); j++) {
              sum += at(b, c, i, j);
              count++;
            }
          }
          pooled.push(sum / count);
        }
      }
    }
    const u = product(numbers.fc, pooled, hidden);
    const gates = product(numbers.gate, u, hidden);
    const h = u.map((value, k) => value * hsigmoid(gates[k]!));
    scales.push(product(numbers.scale, h, outChannels).map(hsigmoid));
    fusion.push(
      Array.from({ length: latent * latent }, (_, entry) => {
        const mixed = h.reduce((sum, value, k) => sum + value * bank[k * latent * latent + entry]!, 0);
        if (kind === 'static') return fixed[entry]!;
        if (kind === 'dynamic') return mixed;
        return lambda * mask[entry]! * mixed + (2 - lambda) * (1 - mask[entry]!) * fixed[entry]!;
      }),
    );
  }

  const positions = outHeight * outWidth;
  const running = {} as Record<keyof DcdResult['running'], number[]>;
  /** [B, L, positions] */
  const normalised = (values: number[], name: 'bn1' | 'bn2'): number[] => {
    const result = values.slice();
    running[`${name}_mean`] = [];
    running[`${name}_var`] = [];
    for (let l = 0; l < latent; l++) {
      const own = values.filter((_, index) => Math.floor(index / positions) % latent === l);
      let [mean, variance] = [numbers[`${name}_mean`][l]!, numbers[`${name}_var`][l]!];
      let [nextMean, nextVariance] = [mean, variance];
      // One value has no variance: then as in evaluation.
      if (spec.training && own.length > 1) {
        const batchMean = own.reduce((sum, value) => sum + value, 0) / own.length;
        const squares = own.reduce((sum, value) => sum + (value - batchMean) ** 2, 0);
        nextMean = 0.9 * mean + 0.1 * batchMean;
        nextVariance = 0.9 * variance + (0.1 * squares) / (own.length - 1);
        [mean, variance] = [batchMean, squares / own.length];
      }
      running[`${name}_mean`].push(nextMean);
      running[`${name}_var`].push(nextVariance);
      values.forEach((value, index) => {
        if (Math.floor(index / positions) % latent !== l) return;
        const standard = (value - mean) / Math.sqrt(variance + 1e-5);
        result[index] = numbers[`${name}_weight`][l]! * standard + numbers[`${name}_bias`][l]!;
      });
    }
    return result;
  };

  const centre = Math.floor((dilation * (kernel - 1)) / 2) - padding;
  const projected: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let l = 0; l < latent; l++)
      for (let i = 0; i < outHeight; i++)
        for (let j = 0; j < outWidth; j++) {
          let sum = 0;
          for (let c = 0; c < inChannels; c++)
            sum += q[l * inChannels + c]! * at(b, c, i * stride + centre, j * stride + centre);
          projected.push(sum);
        }
  const z = normalised(projected, 'bn1');
  const fused: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let row = 0; row < latent; row++)
      for (let position = 0; position < positions; position++) {
        let sum = 0;
        for (let l = 0; l < latent; l++)
          sum += fusion[b]![row * latent + l]! * z[(b * latent + l) * positions + position]!;
        fused.push(sum);
      }
  const branch = normalised(fused, 'bn2').map((value, index) => value + z[index]!);

  const y: number[] = [];
  const groupChannels = inChannels / groups;
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < outChannels; o++)
      for (let i = 0; i < outHeight; i++)
        for (let j = 0; j < outWidth; j++) {
          let sum = 0;
          const first = Math.floor((o * groups) / outChannels) * groupChannels;
          for (let c = 0; c < groupChannels; c++)
            for (let m = 0; m < kernel; m++)
              for (let n = 0; n < kernel; n++)
                sum +=
                  weight[((o * groupChannels + c) * kernel + m) * kernel + n]! *
                  at(b, first + c, i * stride - padding + m * dilation, j * stride - padding + n * dilation);
          let total = scales[b]![o]! * sum + bias[o]!;
          for (let l = 0; l < latent; l++)
            total += p[o * latent + l]! * branch[(b * latent + l) * positions + i * outWidth + j]!;
          y.push(total);
        }
  return { y, running };
}

/** ∂(Σ dy · y) by one of the inputs. */
export function dcdGradient(spec: DcdSpec, numbers: DcdNumbers, dy: readonly number[], name: DcdName): number[] {
  const step = 1e-5;
  const loss = (index: number, change: number): number => {
    const values = numbers[name].slice();
    values[index]! += change;
    return dcd(spec, { ...numbers, [name]: values }).y.reduce((sum, value, at) => sum + value * dy[at]!, 0);
  };
  return numbers[name].map((_, index) => (loss(index, step) - loss(index, -step)) / (2 * step));
}
