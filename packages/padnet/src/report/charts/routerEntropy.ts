/** How decidedly, and how evenly, mixtures of experts route while they are trained. */
import type { Html } from '../html.js';
import type { RunSummary } from '../../analysis/runSummary.js';
import { lineChart, type Line } from './lineChart.js';
import { shorten } from './plotSvg.js';

export interface RoutedRun {
  readonly run: RunSummary;
  readonly colour: string;
}

export const entropyNames = {
  gateEntropy: 'Entropy of a token’s gates',
  loadEntropy: 'Entropy of the experts’ load',
} as const;

/** Normalised entropy of the gates of single tokens, or of the experts' shares of all tokens. */
export function routerEntropyChart(runs: readonly RoutedRun[], key: keyof typeof entropyNames): Html {
  const lines = runs.map(({ run, colour }): Line => {
    const last = run.routing.at(-1)?.[key].toFixed(2) ?? '';
    const { partitionEpoch: partitioned } = run;
    return {
      points: run.routing.map((point) => ({ epoch: point.epoch, value: point[key] })),
      colour,
      dashed: false,
      label: `${shorten(run.name, 14)} ${last}`,
      title: `${run.name}: ${last} at the end`,
      marked: partitioned === null ? null : (run.routing.find(({ epoch }) => epoch >= partitioned)?.epoch ?? null),
    };
  });
  return lineChart(lines, {
    name: `${entropyNames[key]} during training`,
    axis: '↑ 1: even, 0: one takes all',
    from: 0,
    most: 1,
    leastSpan: 0.1,
  });
}
