/** The position along each dimension of element number `index` in row-major order. */
export function positionOf(index: number, shape: readonly number[]): number[] {
  const position = new Array<number>(shape.length);
  let rest = index;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    position[dim] = rest % shape[dim]!;
    rest = Math.floor(rest / shape[dim]!);
  }
  return position;
}
