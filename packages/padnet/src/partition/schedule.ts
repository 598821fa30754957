/** The ratio to keep dynamic after each round of Iterative Mode Partition (method.md §3). */

export const schedules = ['exponential', 'linear'] as const;
export type PartitionSchedule = (typeof schedules)[number];

/**
 * κ_t = κ^(t/T) (exponential) or 1 − (1 − κ)·t/T (linear).
 *
 * @param ratio κ, the ratio after the last round, from 0 to 1
 * @param round t, from 1 to `rounds`
 */
export function keepRatio(ratio: number, round: number, rounds: number, schedule: PartitionSchedule): number {
  switch (schedule) {
    case 'exponential':
      return ratio ** (round / rounds);
    case 'linear':
      return 1 - ((1 - ratio) * round) / rounds;
  }
}
