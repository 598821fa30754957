/**
 * Checks before operators whose kernels trust arguments that a user can easily get wrong, and would end the process or
 * never return. Operators that nobody calls by hand are left out altogether (`generate/unsafeOperators.ts`).
 */
import type { DType } from './dtype.js';
import { recurrentProblem } from './recurrentPrecondition.js';
import { native, type NativeOperator } from './native.js';
import { scope } from './scope.js';
import { Tensor } from './tensor.js';

type Values = Readonly<Record<string, unknown>>;

interface Precondition {
  readonly names: RegExp;
  /** The fault of the arguments, by their names in the schema; null where there is none. */
  problem(values: Values, operator: string): string | null;
}

const shape = (value: unknown): readonly number[] => (value instanceof Tensor ? value.shape : []);
const text = (value: unknown): string => `[${shape(value).join(', ')}]`;

/** LAPACK's iterations for singular values and eigenvalues do not end on NaN. */
function notFinite(values: Values): string | null {
  for (const [name, value] of Object.entries(values)) {
    if (value instanceof Tensor && name !== 'out' && !native.isFinite(value.handle)) {
      return `'${name}' has elements that are not finite`;
    }
  }
  return null;
}

const smallest: Partial<Record<DType, bigint>> = { int64: -(2n ** 63n), int32: -(2n ** 31n) };

function contains(value: unknown, wanted: bigint): boolean {
  if (!(value instanceof Tensor)) return typeof value === 'number' && BigInt(Math.trunc(value) || 0) === wanted;
  if (!(value.dtype in smallest) || value.numel === 0) return false;
  return scope(() => value.detach().eq(wanted).any().item()) === 1;
}

/** The smallest integer divided by -1 is one more than the largest: the processor stops the process. */
function overflowingDivision({ self, other }: Values): string | null {
  for (const value of [self, other]) {
    const least = value instanceof Tensor ? smallest[value.dtype] : undefined;
    if (least !== undefined && contains(self, least) && contains(other, -1n)) return `${least} by -1 overflows`;
  }
  return null;
}

function embeddingBagProblem(values: Values): string | null {
  const { weight, indices, offsets } = values;
  const perSample = values.per_sample_weights;
  if (shape(weight).length !== 2) return `'weight' ${text(weight)} must have 2 dimensions`;
  for (const [name, value] of Object.entries({ indices, offsets })) {
    if (!(value instanceof Tensor) || (value.dtype !== 'int64' && value.dtype !== 'int32') || value.dim !== 1) {
      return `'${name}' ${text(value)} must be an int64 or int32 tensor of one dimension`;
    }
  }
  if (perSample instanceof Tensor && text(perSample) !== text(indices)) {
    return `'per_sample_weights' ${text(perSample)} must have the shape of 'indices', ${text(indices)}`;
  }
  return (
    outside('indices', indices as Tensor, shape(weight)[0]! - 1) ??
    outside('offsets', offsets as Tensor, shape(indices)[0]!)
  );
}

/** Elements must be from 0 to `last`. */
function outside(name: string, value: Tensor, last: number): string | null {
  if (value.numel === 0) return null;
  const { least, most } = scope(() => ({ least: value.min().item(), most: value.max().item() }));
  return least < 0 || most > last ? `'${name}' has elements from ${least} to ${most}, outside 0 to ${last}` : null;
}

const preconditions: readonly Precondition[] = [
  {
    names:
      /^aten::(linalg_(svd|svdvals|eig|eigvals|eigh|eigvalsh|pinv|matrix_rank|matrix_exp|cond|lstsq)|_linalg_(svd|eigh)|svd|pinverse|symeig|nuclear_norm|matrix_exp)$/,
    problem: notFinite,
  },
  {
    names: /^aten::linalg_(matrix_)?norm$/,
    problem: (values) => (['nuc', 2, -2].includes(values.ord as number) ? notFinite(values) : null),
  },
  {
    names: /^aten::(remainder|fmod|floor_divide|div|divide|true_divide|gcd|lcm|__ifloordiv__)_?$/,
    problem: overflowingDivision,
  },
  {
    names: /^aten::index$/,
    problem: ({ self, out }) =>
      self instanceof Tensor && out instanceof Tensor && self.dtype !== out.dtype
        ? `'out' is ${out.dtype}, it must be ${self.dtype}`
        : null,
  },
  {
    names: /^aten::gradient$/,
    problem: ({ self, spacing, dim }) => {
      const wanted = Array.isArray(dim) ? dim.length : typeof dim === 'number' ? 1 : shape(self).length;
      return Array.isArray(spacing) && spacing.length !== wanted
        ? `'spacing' has ${spacing.length} entries for ${wanted} dimensions`
        : null;
    },
  },
  {
    names: /^aten::histogramdd$/,
    problem: ({ self, bins }) =>
      Array.isArray(bins) && bins.length !== shape(self).at(-1)
        ? `'bins' has ${bins.length} entries for a tensor ${text(self)}: one is needed for each of its last dimension`
        : null,
  },
  {
    names: /^aten::combinations$/,
    problem: ({ self, r }) =>
      Number(r ?? 2) * Math.log2(Math.max(2, shape(self)[0] ?? 0)) > 31 ? `'r' is too large for ${text(self)}` : null,
  },
  { names: /^aten::embedding_bag$/, problem: embeddingBagProblem },
  { names: /^aten::(gru|lstm|rnn_tanh|rnn_relu)(_cell)?$/, problem: recurrentProblem },
];

/** The check for an operator, or undefined where libtorch checks enough itself. */
export function preconditionOf(
  name: string,
  operator: NativeOperator,
): ((values: readonly unknown[]) => void) | undefined {
  const found = preconditions.find(({ names }) => names.test(name));
  if (!found) return undefined;
  return (values) => {
    const problem = found.problem(
      Object.fromEntries(operator.arguments.map((argument, i) => [argument.name, values[i]])),
      name,
    );
    if (problem !== null) throw new RangeError(`${name}: ${problem}`);
  };
}
