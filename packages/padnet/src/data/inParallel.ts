/**
 * Threads of Node's pool, in which pictures are decoded: more of them at a time are not faster. `padnet` has one a
 * core; other programs have four, or what the environment variable said when they started.
 */
export const poolThreads = Number(process.env.UV_THREADPOOL_SIZE) || 4;

/** Calls `work` for 0, 1, …, `length` − 1, at most `width` of them under way; rejects as soon as one does. */
export async function inParallel(length: number, width: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < length) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, length) }, worker));
}
