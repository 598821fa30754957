import { describe, expect, it } from 'vitest';

import { glueDefinition, type GlueTaskName, glueTaskNames } from './glueTasks.js';
import { textScore } from './textScore.js';

const metricNames: Record<GlueTaskName, string[]> = {
  cola: ['matthews'],
  sst2: ['accuracy'],
  mrpc: ['f1', 'accuracy'],
  stsb: ['pearson', 'spearman'],
  qqp: ['f1', 'accuracy'],
  mnli: ['accuracy'],
  qnli: ['accuracy'],
  rte: ['accuracy'],
  wnli: ['accuracy'],
};

describe('textScore', () => {
  it.each(glueTaskNames)("has GLUE's metrics of %s", (task) => {
    const { metrics, score } = textScore(glueDefinition(task).metrics, [0, 1, 1], [0, 1, 1]);
    expect(Object.keys(metrics)).toEqual(metricNames[task]);
    expect(score).toBeCloseTo(1, 15);
  });

  it('is the mean where there are two', () => {
    expect(textScore(['f1', 'accuracy'], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0])).toEqual({
      metrics: { f1: 4 / 6, accuracy: 0.6 },
      score: (4 / 6 + 0.6) / 2,
    });
  });
});
