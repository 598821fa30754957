/**
 * How many tokens of two sentences to keep so that at most `maximum` are left: Hugging Face's `longest_first`, which
 * takes one token at a time from the end of the longer sentence. Where both are equally long and the number to keep is
 * odd, the one that was shorter gives way, or the first where they were equal, as in their Rust library.
 */
export function longestFirst(first: number, second: number, maximum: number): [first: number, second: number] {
  if (first + second <= maximum) return [first, second];
  const half = Math.floor(maximum / 2);
  if (first <= half) return [first, maximum - first];
  if (second <= half) return [maximum - second, second];
  return first > second ? [maximum - half, half] : [half, maximum - half];
}
