/** How near measured times are to what the machine allows: the columns of tables, and the line that explains them. */
import type { MachinePeaks, Roofline } from '../bench/roofline.js';
import { formatBytes, formatPercent } from '../report/format.js';

export const roofHeading = ['GF/s', 'of the roof'] as const;

export function roofCells({ gigaflops, share, bound }: Roofline): [gigaflops: string, share: string] {
  return [gigaflops.toFixed(0), `${formatPercent(share, 0)} ${bound}`];
}

/**
 * @param arithmetic what is computed at least
 * @param moved what is read and written at least
 */
export function roofNote(
  { flopsPerSecond, bytesPerSecond }: MachinePeaks,
  { arithmetic, moved }: { readonly arithmetic: string; readonly moved: string },
): string {
  const speed = `${(flopsPerSecond / 1e9).toFixed(0)} GF/s`;
  return `the roof: ${arithmetic} at ${speed}, or ${moved} at ${formatBytes(bytesPerSecond)}/s, whichever takes longer`;
}
