/** T falls linearly from `start` to `end` over the first `steps` steps and stays there (method.md §1; DY-Conv §3.3). */
export function annealedTemperature(
  step: number,
  { start, end, steps }: { start: number; end: number; steps: number },
): number {
  return step >= steps ? end : start + ((end - start) * step) / steps;
}
