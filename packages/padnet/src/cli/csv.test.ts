import { expect, it } from 'vitest';
import { csvLine } from './csv.js';

it('quotes what would be taken for another field or row', () => {
  expect(csvLine(['plain', 0.5, ''])).toBe('plain,0.5,');
  expect(csvLine(['a,b', 'say "x"', 'two\nlines', 'cr\r', ' spaces '])).toBe(
    '"a,b","say ""x""","two\nlines","cr\r", spaces ',
  );
});
