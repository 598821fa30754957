import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatLoss,
  formatPercent,
  formatPoints,
  formatRatio,
  formatSeconds,
} from './format.js';

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [812, '812'],
    [1000, '1.00 k'],
    [36_864, '36.9 k'],
    [999_600, '1.00 M'],
    [1_234_567, '1.23 M'],
    [12_345_678_901, '12.3 G'],
    [null, '–'],
  ])('formatCount(%s) is %s', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [45_600_000, '45.6 MB'],
    [999_999_999, '1.00 GB'],
  ])('formatBytes(%s) is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0 s'],
    [4.2e-6, '4.20 µs'],
    [0.0123, '12.3 ms'],
    [0.9999, '1.00 s'],
    [4.564, '4.56 s'],
    [59.97, '1 min 0 s'],
    [125, '2 min 5 s'],
    [12_000, '3 h 20 min'],
  ])('formatSeconds(%s) is %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it('writes fractions, ratios and differences', () => {
    expect(formatPercent(0.9123)).toBe('91.2 %');
    expect(formatPercent(0.9123, 2)).toBe('91.23 %');
    expect([0, 0.0003, 0.001, 0.00044, -0.0002, 1e-7].map((share) => formatPercent(share))).toEqual([
      '0.0 %',
      '0.03 %',
      '0.1 %',
      '0.04 %',
      '-0.02 %',
      '0.00001 %',
    ]);
    expect([0, 0.0049, 0.005, 0.0003].map((share) => formatPercent(share, 0))).toEqual([
      '0 %',
      '0.5 %',
      '1 %',
      '0.03 %',
    ]);
    expect([0.47704, 1.934, 11.66, 234.5, 1234].map(formatRatio)).toEqual(['0.477', '1.93', '11.7', '235', '1230']);
    expect(formatRatio(1 / 0)).toBe('–');
    expect([0.12345, NaN, null].map((loss) => formatLoss(loss))).toEqual(['0.123', '–', '–']);
    expect([0.0031, -0.002, 0.00001, null].map(formatPoints)).toEqual(['+0.31', '−0.20', '±0.00', '–']);
  });
});
