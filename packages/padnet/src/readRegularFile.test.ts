import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from './errors.js';
import { isFolder, readRegularFile, readRegularText } from './readRegularFile.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-read-'));
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'text'), 'grün');
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'large'), '');
  truncateSync(join(folder, 'large'), 2 ** 40);
  symlinkSync('text', join(folder, 'link'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('circle', join(folder, 'circle'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  symlinkSync('pipe', join(folder, 'link-to-pipe'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function refusal(path: string, options: { readonly maxBytes?: number } = {}): string {
  const file = path.startsWith('/') ? path : join(folder, path);
  try {
    readRegularFile(file, { expected: 'a recipe', ...options });
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const start = `${file}: expected a recipe, but `;
    expect((error as Error).message.slice(0, start.length)).toBe(start);
    return (error as Error).message.slice(start.length);
  }
  return 'it was read';
}

describe('readRegularFile', () => {
  it('reads a file whole, through links too', () => {
    expect(readRegularText(join(folder, 'text'), { expected: 'text' })).toBe('grün');
    expect(readRegularText(join(folder, 'link'), { expected: 'text' })).toBe('grün');
    expect(readRegularFile(join(folder, 'empty'), { expected: 'text' })).toHaveLength(0);
  });

  it('reads files that do not say their size', () => {
    const { length } = readRegularFile('/proc/self/smaps', { expected: 'text' });
    expect(length).toBeGreaterThan(2 ** 16);
    expect(readRegularText('/proc/version', { expected: 'text' })).toBe(readFileSync('/proc/version', 'utf8'));
  });

  it('says what is not a regular file, without waiting for it', async () => {
    const server = createServer().listen(join(folder, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    expect({
      folder: refusal('sub'),
      pipe: refusal('pipe'),
      linked: refusal('link-to-pipe'),
      device: refusal('/dev/zero'),
      socket: refusal('socket'),
    }).toEqual({
      folder: 'it is a folder',
      pipe: 'it is a named pipe, not a file',
      linked: 'it is a named pipe, not a file',
      device: 'it is a device, not a file',
      socket: 'it is a socket, not a file',
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it('says why there is nothing to read, without codes of the system', () => {
    expect({
      missing: refusal('none'),
      dangling: refusal('dangling'),
      circle: refusal('circle'),
      below: refusal('text/x'),
      long: refusal('n'.repeat(300)),
      bytes: refusal('caf\ufffd.jpg'),
      device: refusal('/proc/self/mem'),
    }).toEqual({
      missing: 'there is no such file',
      dangling: 'it is a broken link',
      circle: 'its symbolic links lead in a circle',
      below: 'a part of its path is a file, not a folder',
      long: 'its name is too long',
      bytes: 'its name is not UTF-8; rename it',
      device: 'the device or terminal does not answer',
    });
    expect(() => readRegularFile('', { expected: 'a recipe' })).toThrow('its name is empty');
    expect(() => readRegularFile('a\0b', { expected: 'a recipe' })).toThrow('a path cannot hold the character NUL');
  });

  it('reads up to its bound, and not a byte more', () => {
    expect(refusal('text', { maxBytes: 5 })).toBe('it was read');
    expect(refusal('text', { maxBytes: 4 })).toBe('it has 5 bytes, of which at most 4 are read; is it the right file?');
    expect(refusal('/proc/version', { maxBytes: 10 })).toBe(
      'it has more than 10 bytes, of which at most 10 are read; is it the right file?',
    );
    expect(refusal('large')).toContain('it has 1099511627776 bytes, of which at most');
    expect(() => readRegularText(join(folder, 'large'), { expected: 'text' })).toThrow('of which at most 536870888');
  });
});

describe('readInput', () => {
  const program = `
    import { readInput } from ${JSON.stringify(new URL('./readRegularFile.js', import.meta.url).href)};
    try {
      console.log(readInput(process.argv[1], { expected: 'a recipe', maxBytes: 100_000 }).length);
    } catch ({ message }) {
      console.log(message);
    }`;
  const shell = (command: string): string =>
    spawnSync('bash', ['-c', command, process.execPath, program], { cwd: folder, encoding: 'utf8' }).stdout.trim();
  const read = '"$0" --input-type=module -e "$1"';

  it('reads what a shell puts in the place of a file', () => {
    expect(shell(`${read} <(printf a; sleep 0.2; printf bc)`)).toBe('3');
    expect(shell(`head -c 100000 /dev/zero | ${read} /dev/stdin`)).toBe('100000');
    expect(shell(`${read} /dev/stdin < text`)).toBe('5');
  });

  it('stops at the bound', () => {
    const message =
      '/dev/stdin: expected a recipe, but it has more than 100000 bytes, of which at most 100000 are read';
    expect(shell(`yes | ${read} /dev/stdin`)).toContain(message);
    expect(shell(`${read} /dev/stdin < /dev/zero`)).toContain(message);
  });

  it('refuses other pipes and devices', () => {
    expect(shell(`${read} pipe`)).toBe('pipe: expected a recipe, but it is a named pipe, not a file');
    expect(shell(`${read} /dev/zero`)).toContain('it is a device, not a file');
  });
});

it.each([
  ['sub', true],
  ['text', false],
  ['link', false],
  ['dangling', false],
  ['circle', false],
  ['text/within', false],
  ['nowhere', false],
])('isFolder: %s is %s', (name, expected) => {
  expect(isFolder(join(folder, name))).toBe(expected);
});
