import { expect, it } from 'vitest';
import { checkNonNegative, checkRange, checkSizes, checkWhole } from './checks.js';

it('names the option, the rule and the value', () => {
  expect(() => checkWhole('groups', 1.5, 1)).toThrow(
    new RangeError('groups must be a whole number of at least 1, got 1.5'),
  );
  expect(() => checkWhole('groups', NaN, 1)).toThrow('got NaN');
  expect(() => checkWhole('groups', 2 ** 60, 1)).toThrow('whole number');
  expect(() => checkSizes('stride', [2, 0], 2, 1)).toThrow('stride must be a whole number of at least 1, got 0');
  expect(() => checkSizes('stride', [2, 1], 3, 1)).toThrow('stride must be a number or 3 of them, got [2, 1]');
  expect(() => checkRange('p', 1.1, 0, 1)).toThrow('p must be between 0 and 1, got 1.1');
  expect(() => checkRange('p', NaN, 0, 1)).toThrow('got NaN');
  expect(() => checkNonNegative('eps', Infinity)).toThrow('eps must be a finite number of at least 0, got Infinity');
});

it('gives back what is in range', () => {
  expect(checkWhole('groups', 0, 0)).toBe(0);
  expect(checkSizes('stride', 2, 2, 1)).toEqual([2, 2]);
  expect(checkSizes('stride', [1, 2], 2, 1)).toEqual([1, 2]);
  expect(checkSizes('stride', 2, 3, 1)).toEqual([2, 2, 2]);
  expect(checkRange('p', 1, 0, 1)).toBe(1);
  expect(checkNonNegative('eps', 0)).toBe(0);
});
