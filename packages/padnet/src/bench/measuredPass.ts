/** Time and memory of something that is run again and again in this process. */
import { memoryUsage, scope } from '@padnet/torch';

export interface MeasuredPass {
  /** Runs it once. */
  readonly seconds: () => number;
  /** What it holds between runs, and the most that tensors held during one. */
  readonly peakBytes: () => number;
}

/** Times the pass that `make` returns, and watches what it holds beside what was there before `make`. */
export function measuredPass(make: () => () => void): MeasuredPass {
  const before = memoryUsage().allocated;
  const pass = make();
  const held = memoryUsage().allocated - before;
  let peak = 0;
  const seconds = (): number => {
    const { allocated } = memoryUsage({ resetPeak: true });
    const start = performance.now();
    scope(pass);
    const taken = (performance.now() - start) / 1000;
    peak = Math.max(peak, memoryUsage().peak - allocated);
    return taken;
  };
  return { seconds, peakBytes: () => held + peak };
}
