import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { isCodeReference, parseCodeReference } from './codeReference.js';
import { loadCode } from './loadCode.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-code-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const load = (reference: string): ReturnType<typeof loadCode> => loadCode(reference, 'some.key', { allowCode: true });

function message(reference: string, allowCode = true): string {
  try {
    loadCode(reference, 'some.key', { allowCode });
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return 'no error';
}

describe('a reference to code', () => {
  it.each([
    ['./mine.ts', true],
    ['/x/mine.mts', true],
    ['mine.js', true],
    ['mine.cjs', true],
    ['/x/mine.ts#sha256=0123456789abcdef', true],
    ['maskGradient', false],
    ['./mine', false],
    ['mine.py', false],
    ['/x/mine.ts#sha256=0123', false],
  ])('%s: %s', (text, isCode) => {
    expect(isCodeReference(text)).toBe(isCode);
  });

  it('is a file, and the checksum of what was run', () => {
    expect(parseCodeReference('/x/mine.ts')).toEqual({ file: '/x/mine.ts', checksum: null });
    expect(parseCodeReference('/x/a#b.ts#sha256=0123456789abcdef')).toEqual({
      file: '/x/a#b.ts',
      checksum: '0123456789abcdef',
    });
  });
});

describe('loadCode', () => {
  const typed = `
    enum Size { Small = 2 }
    interface Named { readonly name: string }
    class Thing implements Named { constructor(readonly name: string) {} }
    export default { thing: new Thing('it') satisfies Named, size: Size.Small, here: import.meta.url } as const;
  `;

  it.each(['.ts', '.mts'])('runs TypeScript in %s, with what only a compiler knows', (ending) => {
    const file = write(`mine${ending}`, typed);
    expect(load(file).exported).toMatchObject({ thing: { name: 'it' }, size: 2, here: `file://${file}` });
  });

  it.each([
    ['mine.js', 'export default 3;'],
    ['mine.mjs', 'export default 3;'],
    ['mine.cjs', 'module.exports = { default: 3 };'],
  ])('runs JavaScript in %s', (name, text) => {
    expect(load(write(name, text)).exported).toBe(3);
  });

  it('gives it the tensors of the program that runs it', async () => {
    const { nn } = await import('@padnet/torch');
    const file = write('mine.ts', "import { nn } from '@padnet/torch';\nexport default nn.Module;");
    expect(load(file).exported).toBe(nn.Module);
  });

  it('runs nothing unless it is allowed, and says how', () => {
    const file = write('mine.ts', "throw new Error('was run');");
    expect(message(file, false)).toBe(
      `some.key: ${file} is code, which runs with all your rights; ` +
        '--allow-code permits it (in a program, allowCode: true)',
    );
    expect(() => loadCode(file, 'some.key')).toThrow('--allow-code');
  });

  it('runs a file again after it was edited, with what it imports', () => {
    write('helper.ts', 'export const value: number = 1;');
    const file = write('mine.ts', "import { value } from './helper.js';\nexport default value;");
    const first = load(file);
    expect(first).toMatchObject({ exported: 1, file });
    expect(first.reference).toMatch(/mine\.ts#sha256=[0-9a-f]{16}$/);
    expect(load(first.reference)).toEqual(first);
    write('helper.ts', 'export const value: number = 2;');
    expect(load(file).exported).toBe(2);
    // What it imports is a part of it.
    expect(message(first.reference)).toMatch(
      /^some\.key: .*mine\.ts, .* was started with \(checksum [0-9a-f]{16}, then [0-9a-f]{16}\); put it back as it was/,
    );
    write('helper.ts', 'export const value: number = 1;');
    expect(load(first.reference)).toEqual(first);
  });

  it('knows code by what it says, not by where it lies', () => {
    const file = write('mine.ts', 'export default 1;');
    const { reference } = load(file);
    mkdirSync(join(folder, 'elsewhere'));
    const moved = write('elsewhere/mine.ts', 'export default 1;');
    expect(parseCodeReference(load(moved).reference).checksum).toBe(parseCodeReference(reference).checksum);
    expect(parseCodeReference(load(write('mine.ts', 'export default 1 ;')).reference).checksum).not.toBe(
      parseCodeReference(reference).checksum,
    );
  });

  it.each([
    ['a mistake', 'const a: number = = 1;', ':1: ParseError: Unexpected token'],
    ['an error', "\n\nthrow new Error('no luck');", ':3: no luck'],
    ['what is no error', 'throw null;', ': it threw null'],
    ['a file that it misses', "import './nowhere.js';", ":1: Cannot find module './nowhere.js'"],
    ['a package that it misses', "import 'no-such-package';", ":1: Cannot find module 'no-such-package'"],
    [
      'await',
      'export default await Promise.resolve(1);',
      ':1: it waits at its top level (await), which is not possible here; load what it needs where it is used',
    ],
  ])('says in which file %s is', (_what, text, expected) => {
    const file = write('mine.ts', text);
    expect(message(file)).toBe(`some.key: ${file}${expected}`);
    // And takes the file anew when it has been mended.
    write('mine.ts', 'export default 4;');
    expect(load(file).exported).toBe(4);
  });

  it('says where there is no file', () => {
    expect(message(join(folder, 'none.ts'))).toBe(
      `some.key: ${join(folder, 'none.ts')}: there is no such file; expected one with code of your own`,
    );
    mkdirSync(join(folder, 'folder.ts'));
    expect(message(join(folder, 'folder.ts'))).toContain('there is no such file');
  });
});
