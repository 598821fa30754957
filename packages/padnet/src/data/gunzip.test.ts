import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { gunzip } from './gunzip.js';

const tooLong = (): InputError => new InputError('too long');

it('expands data up to a bound, in one part or several', () => {
  const parts = Buffer.concat([gzipSync('abc'), gzipSync('de')]);
  expect(Buffer.from(gunzip(parts, 'x', 5, tooLong)).toString()).toBe('abcde');
  expect(() => gunzip(parts, 'x', 4, tooLong)).toThrow('too long');
  expect(gunzip(gzipSync(''), 'x', 0, tooLong)).toHaveLength(0);
  expect(() => gunzip(gzipSync('a'), 'x', 0, tooLong)).toThrow('too long');
});

it('uses no more memory than the bound', () => {
  const bomb = gzipSync(Buffer.alloc(2 ** 28));
  const before = process.memoryUsage().rss;
  expect(() => gunzip(bomb, 'x', 2 ** 20, tooLong)).toThrow('too long');
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 25);
});
