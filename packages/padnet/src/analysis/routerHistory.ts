/** How the mixtures of experts of a run routed from its first step to its last. */
import type { StepEvent, TrainingEvent } from '../runs/events.js';
import { mean } from '../statistics.js';

/** Means over a stretch of steps. */
export interface RouterPoint {
  /** Where the stretch ends, in epochs. */
  readonly epoch: number;
  /** 1: a token's k gates are equal; 0: one takes all. */
  readonly gateEntropy: number;
  /** 1: all experts are used evenly; 0: one is used alone. */
  readonly loadEntropy: number;
}

/** Stretches that a run is cut into: single batches differ too much to be read. */
const numStretches = 60;

/** Empty where nothing routes. Of steps that a resumed run tells twice, the later count. */
export function routerHistory(events: readonly TrainingEvent[]): RouterPoint[] {
  const byStep = new Map<number, StepEvent>();
  for (const event of events) if (event.type === 'step') byStep.set(event.step, event);
  const steps = [...byStep.values()]
    .sort((a, b) => a.step - b.step)
    .flatMap(({ step, routing }) => (routing ? [{ step, ...routing }] : []));
  // Of the first epoch, where it is over; else all so far.
  const stepsPerEpoch = Math.max(1, [...byStep.values()].filter(({ epoch }) => epoch === 1).length);
  const size = Math.ceil(steps.length / numStretches);
  return Array.from({ length: steps.length === 0 ? 0 : Math.ceil(steps.length / size) }, (_, index) => {
    const stretch = steps.slice(index * size, (index + 1) * size);
    return {
      epoch: stretch.at(-1)!.step / stepsPerEpoch,
      gateEntropy: mean(stretch.map(({ gateEntropy }) => gateEntropy)),
      loadEntropy: mean(stretch.map(({ loadEntropy }) => loadEntropy)),
    };
  });
}
