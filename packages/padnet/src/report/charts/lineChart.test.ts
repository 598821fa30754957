import { describe, expect, it } from 'vitest';
import { lineChart, type Line } from './lineChart.js';

function line(label: string, values: readonly number[]): Line {
  const points = values.map((value, index) => ({ epoch: index + 1, value }));
  return { points, colour: 'black', dashed: false, label, title: label, marked: null };
}

const options = { name: 'Loss', axis: 'loss', from: 1, mostRatio: 20 } as const;

/** Heights, from the top, at which the lines are named. */
function labelHeights(lines: readonly Line[]): number[] {
  const chart = String(lineChart(lines, options));
  return lines.map(({ label }) =>
    Number(new RegExp(`translate\\([\\d.]+,([\\d.]+)\\)[^>]*>${label}<`).exec(chart)![1]),
  );
}

describe('lineChart', () => {
  it('leaves lines apart where one value has blown up, by a logarithmic axis', () => {
    const [worse, better] = labelHeights([line('worse', [2, 240, 1.8]), line('better', [2, 1.5, 0.4])]);
    expect(better! - worse!).toBeGreaterThan(40);
    expect(String(lineChart([line('a', [0.5, 240, 1])], options))).toMatch(/>1<.*>10<.*>100</s);
  });

  it('is linear elsewhere, and where values are not above 0', () => {
    for (const values of [
      [2, 1.5, 1],
      [0, 240, 1],
    ]) {
      expect(String(lineChart([line('a', values)], options))).not.toMatch(/>1<.*>10<.*>100</s);
    }
  });
});
