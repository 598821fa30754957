import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { readYaml } from './runRecipe.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-yaml-'));
const file = join(folder, 'x.yaml');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('readYaml', () => {
  it.each([
    ['UTF-16', Buffer.from('\ufeffmodel: x', 'utf16le'), ': is UTF-16, expected UTF-8; save it as UTF-8'],
    ['Latin-1', Buffer.from('a: b\nc: für', 'latin1'), ': line 2 holds a byte that is not UTF-8; convert the file'],
    ['NUL', Buffer.from('a: b\n\n\0'), ': line 3 holds the character NUL; is it a text file?'],
  ])('refuses %s', (_, bytes, expected) => {
    writeFileSync(file, bytes);
    const read = (): string => readYaml(file, 'a recipe');
    expect(read).toThrow(InputError);
    expect(read).toThrow(file + expected);
  });

  it('takes UTF-8 with its mark', () => {
    writeFileSync(file, '\ufeffc: für');
    expect(readYaml(file, 'a recipe')).toBe('c: für');
  });
});
