/**
 * Moves positions apart until neighbours are at least `gap` from each other, keeping their order, as near as possible
 * to where they were and within [low, high] while there is room.
 */
export function spreadLabels(positions: readonly number[], gap: number, low: number, high: number): number[] {
  const order = [...positions.keys()].sort((a, b) => positions[a]! - positions[b]! || a - b);
  // Labels that touch form a block, centred on the mean of where its labels belong.
  const blocks: { members: number[]; start: number }[] = [];
  const place = (members: number[]): number => {
    const wanted = members.reduce((sum, index, rank) => sum + positions[index]! - rank * gap, 0) / members.length;
    return Math.max(low, Math.min(wanted, high - (members.length - 1) * gap));
  };
  for (const index of order) {
    let block = { members: [index], start: place([index]) };
    for (let last = blocks.at(-1); last; last = blocks.at(-1)) {
      if (last.start + last.members.length * gap <= block.start) break;
      blocks.pop();
      const members = [...last.members, ...block.members];
      block = { members, start: place(members) };
    }
    blocks.push(block);
  }
  const spread = [...positions];
  for (const { members, start } of blocks) members.forEach((index, rank) => (spread[index] = start + rank * gap));
  return spread;
}
