import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { memoryUsage, setMemoryLimit } from '../memory.js';
import { liveTensors } from '../scope.js';

export interface SteadyMemoryOptions {
  /** Calls before the first look: caches fill, code is compiled. @default 200 */
  readonly warmUp?: number;
  /** Calls between the two looks. @default 1000 */
  readonly repeats?: number;
}

/**
 * Checks that a step leaves live tensors and libtorch's bytes as they were, and resident memory within 5 %.
 *
 * @throws saying what grew, and by how much
 */
export function checkSteadyMemory(step: () => void, { warmUp = 200, repeats = 1000 }: SteadyMemoryOptions = {}): void {
  for (let i = 0; i < warmUp; i++) step();
  const [before, residentBefore] = [tensorsInUse(), residentBytes()];
  for (let i = 0; i < repeats; i++) step();
  compareTensors(before, `${repeats} calls`);
  const resident = residentBytes();
  if (resident > residentBefore * 1.05)
    throw new Error(`resident memory grew from ${residentBefore} to ${resident} bytes in ${repeats} calls`);
}

/**
 * Checks that a step that runs out of memory leaves nothing behind, wherever that happens: it is called with less
 * memory than it needs, from an eighth to seven of them.
 *
 * @param step throws where an operator does
 * @returns how many of the seven calls ran out of memory
 * @throws saying what grew, and by how much
 */
export function checkFailingAllocations(step: () => void): number {
  step();
  const before = tensorsInUse();
  memoryUsage({ resetPeak: true });
  step();
  const needed = memoryUsage().peak - before.allocated;
  let failures = 0;
  for (let share = 1 / 8; share < 1; share += 1 / 8) {
    setMemoryLimit(before.allocated + Math.floor(needed * share));
    try {
      step();
    } catch (error) {
      if (!(error as Error).message.includes('out of memory')) throw error;
      failures++;
    } finally {
      setMemoryLimit(null);
    }
    compareTensors(before, `a call with ${share} of the memory that it needs`);
  }
  return failures;
}

interface Tensors {
  readonly live: number;
  readonly allocated: number;
}

function tensorsInUse(): Tensors {
  return { live: liveTensors(), allocated: memoryUsage().allocated };
}

function compareTensors(before: Tensors, what: string): void {
  const after = tensorsInUse();
  if (after.live !== before.live) throw new Error(`${before.live} live tensors before ${what}, ${after.live} after`);
  if (after.allocated !== before.allocated)
    throw new Error(`tensors held ${before.allocated} bytes before ${what}, ${after.allocated} after`);
}

function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage.rss();
}
