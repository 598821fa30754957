/** The first, the middle and the last of some layers, each once: what a report shows of many. */
export function firstMiddleLast<T>(layers: readonly T[]): T[] {
  const last = layers.length - 1;
  return [...new Set([0, Math.floor(last / 2), last])].flatMap((position) => layers.slice(position, position + 1));
}
