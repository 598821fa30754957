/** The tokens of a batch ordered by the experts that they go to, so that each expert is one matrix product. */
import { ops, type Tensor } from '@padnet/torch';

/** `count` choices in a row that went to one expert. */
export interface ExpertGroup {
  readonly expert: number;
  readonly start: number;
  readonly count: number;
}

export interface ExpertGroups {
  /** Positions in `experts` (token · k + rank) ordered by expert, and by token within an expert: [tokens · k] int64. */
  readonly choices: Tensor;
  /** The token of each of them. */
  readonly tokens: Tensor;
  /** A group for each expert that any token has chosen, in order. */
  readonly groups: readonly ExpertGroup[];
}

/** @param experts the chosen experts [tokens, k], int64; those of one token all differ */
export function groupByExpert(experts: Tensor, numExperts: number): ExpertGroups {
  const [, k = 1] = experts.shape;
  const flat = experts.reshape([-1]);
  const [, choices] = ops.sort(flat, { stable: true });
  const counts = ops.bincount(flat, { minlength: numExperts }).toArray();
  let start = 0;
  const groups: ExpertGroup[] = [];
  for (const [expert, count] of counts.entries()) {
    if (count > 0) groups.push({ expert, start, count });
    start += count;
  }
  return { choices, tokens: ops.floorDivide(choices, k), groups };
}
