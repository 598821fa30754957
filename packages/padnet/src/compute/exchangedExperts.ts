/**
 * The sum over the chosen experts where each rank has some of the experts (GShard: Lepikhin et al. 2020,
 * arXiv 2006.16668): a token goes to the ranks that have its experts, is computed there and comes back; gates are
 * applied at home.
 *
 *     y_t = Σ_i w_ti · expert_i(x_t),   expert i on rank ⌊i · ranks / E⌋
 */
import { customFunction, ops, tensor, type Tensor } from '@padnet/torch';
import type { ProcessGroup } from '@padnet/torch/distributed';
import { groupByExpert } from './expertGroups.js';
import type { ExpertChoice } from './expertMixture.js';

/** The experts of a rank, one after the other. */
export interface ExpertRange {
  readonly start: number;
  readonly count: number;
}

export function expertsOfRank(numExperts: number, rank: number, size: number): ExpertRange {
  const first = (each: number): number => Math.ceil((each * numExperts) / size);
  return { start: first(rank), count: first(rank + 1) - first(rank) };
}

/**
 * Every rank has to come here, also without tokens, and go through its gradient.
 *
 * @param tokens [tokens, inFeatures]: this rank's
 * @param choice of all experts
 * @param compute the mixture of this rank's experts, which are counted from 0
 * @returns [tokens, outFeatures]
 */
export function exchangedExperts(
  group: ProcessGroup,
  tokens: Tensor,
  { experts, weights, gates }: ExpertChoice,
  compute: (tokens: Tensor, choice: ExpertChoice) => Tensor,
): Tensor {
  const numExperts = gates.shape[1]!;
  const { choices, tokens: tokenOf, groups } = groupByExpert(experts, numExperts);
  const counts = Array<number>(numExperts).fill(0);
  for (const { expert, count } of groups) counts[expert] = count;
  const countsOf = gatherCounts(group, counts);
  const rowsFor = (from: number, to: number): readonly number[] => {
    const { start, count } = expertsOfRank(numExperts, to, group.size);
    return countsOf[from]!.slice(start, start + count);
  };
  const ranks = Array.from({ length: group.size }, (_, rank) => rank);
  const sent = ranks.map((rank) => sum(rowsFor(group.rank, rank)));
  const received = ranks.map((rank) => rowsFor(rank, group.rank));
  const receivedRows = received.map(sum);

  const rows = exchange(group, tokens.indexSelect(0, tokenOf), sent, receivedRows);
  const outputs = compute(rows, choiceOfEach(received, rows));
  const back = exchange(group, outputs, receivedRows, sent);
  const weighed = back.mul(weights.reshape([-1, 1]).indexSelect(0, choices));
  return ops.indexAdd(tokens.newZeros([tokens.shape[0]!, outputs.shape[1]!]), 0, tokenOf, weighed);
}

/** The rows for an expert of each rank [ranks, E]. */
function gatherCounts(group: ProcessGroup, counts: readonly number[]): number[][] {
  const own = tensor([...counts], { dtype: 'float64' });
  const all = own.newZeros([group.size, counts.length]);
  group.allGather(all, own).wait();
  const flat = all.toArray();
  return Array.from({ length: group.size }, (_, rank) => flat.slice(rank * counts.length, (rank + 1) * counts.length));
}

/** Rows that lie by rank and by expert have one expert each, of weight 1. */
function choiceOfEach(counts: readonly (readonly number[])[], rows: Tensor): ExpertChoice {
  const numOwn = counts[0]!.length;
  const lengths = tensor(counts.flat(), { dtype: 'int64', device: rows.device });
  const repeated = ops.arange(numOwn, { dtype: 'int64', device: rows.device }).repeat([counts.length]);
  const expert = ops.repeatInterleave(repeated, lengths);
  const gates = ops.oneHot(expert, { numClasses: numOwn }).to(rows.dtype);
  return { experts: expert.unsqueeze(1), weights: rows.newOnes([rows.shape[0]!, 1]), gates };
}

/** Gives each rank its rows and gets rows of each, and so do the gradients, the other way. */
function exchange(group: ProcessGroup, rows: Tensor, sent: readonly number[], received: readonly number[]): Tensor {
  const [output] = customFunction<[Tensor]>({
    name: 'ExchangedRows',
    forward(_context, input) {
      const all = input.newEmpty([sum(received), input.shape[1]!]);
      group.allToAll(all, input.contiguous(), received, sent).wait();
      return all;
    },
    backward: ([gradient]) => [exchange(group, gradient!, received, sent)],
  })(rows);
  return output!;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
