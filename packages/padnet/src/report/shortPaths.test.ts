import { describe, expect, it } from 'vitest';
import { shortPath, shortPaths } from './shortPaths.js';

describe('shortPath', () => {
  it.each([
    ['/home/user/photos', 'photos'],
    ['/home/user/photos/', 'photos'],
    ['pictures', 'pictures'],
  ])('is the last name of %s', (path, name) => {
    expect(shortPath(path)).toBe(name);
  });
});

describe('shortPaths', () => {
  it.each([
    [['/home/user/photos'], ['photos']],
    [
      ['/home/user/photos', '/home/user/photos'],
      ['photos', 'photos'],
    ],
    [
      ['/home/user/a/photos', '/home/user/b/photos', '/home/user/c'],
      ['a/photos', 'b/photos', 'c'],
    ],
    [
      ['/a', '/b/c'],
      ['a', 'b/c'],
    ],
    [
      ['bert-base', '/models/bert-base', '–'],
      ['bert-base', 'bert-base', '–'],
    ],
    [[], []],
  ])('shows %j as %j', (paths, shown) => {
    expect(shortPaths(paths)).toEqual(shown);
  });
});
