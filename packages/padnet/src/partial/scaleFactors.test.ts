import { tensor, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { scaleFactors, scaleModes } from './scaleFactors.js';

const value = (factor: Tensor | null): number => factor?.item() ?? 1;

describe('scaleFactors', () => {
  it('both: λ_d = 2σ(φ), λ_s = 2 − λ_d', () => {
    const { dynamic, static: lambdaS } = scaleFactors(tensor(0.3, { dtype: 'float64' }), 'both');
    expect(value(dynamic)).toBeCloseTo(2 / (1 + Math.exp(-0.3)), 12);
    expect(value(dynamic) + value(lambdaS)).toBeCloseTo(2, 12);
  });

  it.each(scaleModes)('%s: both are 1 at φ = 0', (mode) => {
    const factors = scaleFactors(tensor(0), mode);
    expect(value(factors.dynamic)).toBe(1);
    expect(value(factors.static)).toBe(1);
  });

  it('learns the factor that the mode names, and no other', () => {
    const phi = tensor(2);
    expect(scaleFactors(phi, 'dynamic').static).toBeNull();
    expect(value(scaleFactors(phi, 'dynamic').dynamic)).toBeGreaterThan(1.7);
    expect(scaleFactors(phi, 'static').dynamic).toBeNull();
    expect(value(scaleFactors(phi, 'static').static)).toBeLessThan(0.3);
    expect(scaleFactors(null, 'none')).toEqual({ dynamic: null, static: null });
  });
});
