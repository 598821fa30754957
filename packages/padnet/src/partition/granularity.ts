/**
 * The units that become static as one (method.md §3): the paper's single entry, or coarser ones that turn fewer dynamic
 * entries into less time.
 */
export const granularities = ['entry', 'kernel', 'filter', 'neuron', 'block'] as const;

/**
 * - `entry`: one number of a weight.
 * - `kernel`: one [kernelHeight, kernelWidth] slice of a convolution.
 * - `filter`: one output channel of a convolution, one output neuron (row) of a linear layer.
 * - `neuron`: one neuron between the two linear layers of a feed-forward block, that is row j of the intermediate
 *   weight together with column j of the output weight; where only one of them is partial, its row or column alone.
 * - `block`: a square of `BLOCK_SIZE` rows and columns of a linear layer, less at the far edges.
 */
export type Granularity = (typeof granularities)[number];

/** 16 numbers in float32 are a cache line and an AVX-512 register, and divide the widths of BERT's family. */
export const BLOCK_SIZE = 16;

export const unitSums = ['signed', 'absolute'] as const;

/**
 * How the scores s_j of a unit's entries become that of the unit: `signed` |Σ_j s_j|, the first-order change of the
 * loss when the whole unit changes its mode, in which entries of unlike signs cancel; `absolute` Σ_j |s_j|, in which
 * they do not. Of single entries both are the same.
 */
export type UnitSum = (typeof unitSums)[number];
