import { execFileSync, spawn } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { writeFileAtomically } from './atomicFile.js';

const module = new URL('./atomicFile.js', import.meta.url).href;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-atomic-'));
  file = join(folder, 'checkpoint');
  writeFileSync(file, 'old');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('replaces the file, and leaves nothing else in the folder', () => {
  writeFileAtomically(file, (write) => {
    write(bytes('ne'));
    expect(readFileSync(file, 'utf8')).toBe('old');
    write(bytes('w'));
  });
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(readdirSync(folder)).toEqual(['checkpoint']);
});

it('keeps the old file where the content fails', () => {
  expect(() => {
    writeFileAtomically(file, (write) => {
      write(bytes('half'));
      throw new Error('no more');
    });
  }).toThrow('no more');
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['checkpoint']);
});

it('keeps what is there where it cannot be replaced', () => {
  const occupied = join(folder, 'occupied');
  mkdirSync(occupied);
  expect(() => {
    writeFileAtomically(occupied, (write) => {
      write(bytes('new'));
    });
  }).toThrow(/EISDIR|ENOTEMPTY/);
  expect(readdirSync(folder)).toEqual(['checkpoint', 'occupied']);
  expect(() => {
    writeFileAtomically(join(folder, 'missing', 'file'), () => undefined);
  }).toThrow('ENOENT');
});

it('replaces what a symbolic link points to, whole, and leaves the link', () => {
  const link = join(folder, 'link');
  mkdirSync(join(folder, 'disk'));
  const target = join(folder, 'disk', 'target');
  writeFileSync(target, 'old');
  symlinkSync(join('disk', 'target'), link);
  expect(() => {
    writeFileAtomically(link, (write) => {
      write(bytes('half'));
      throw new Error('no more');
    });
  }).toThrow('no more');
  expect(readFileSync(target, 'utf8')).toBe('old');
  writeFileAtomically(link, (write) => {
    write(bytes('new'));
  });
  expect(readFileSync(target, 'utf8')).toBe('new');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readdirSync(folder)).toEqual(['checkpoint', 'disk', 'link']);
  expect(readdirSync(join(folder, 'disk'))).toEqual(['target']);
});

it('writes to no link that leads nowhere, nor in a circle', () => {
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('circle', join(folder, 'circle'));
  const write = (name: string) => () => {
    writeFileAtomically(join(folder, name), () => undefined);
  };
  expect(write('dangling')).toThrow('dangling is a symbolic link that leads nowhere');
  expect(write('circle')).toThrow('ELOOP');
  expect(readdirSync(folder)).toEqual(['checkpoint', 'circle', 'dangling']);
});

it('writes to devices and pipes as they are, and never in their place', async () => {
  const put = (name: string, text = 'text') => {
    writeFileAtomically(name, (write) => {
      write(bytes(text));
    });
  };
  const device = join(folder, 'null');
  symlinkSync('/dev/null', device);
  put(device);
  expect(lstatSync(device).isSymbolicLink()).toBe(true);
  expect(() => {
    put('/dev/full');
  }).toThrow('ENOSPC');
  expect(statSync('/dev/null').isCharacterDevice() && statSync('/dev/full').isCharacterDevice()).toBe(true);

  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(() => {
    put(pipe);
  }).toThrow('ENXIO'); // nobody reads: no waiting
  const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
  const read = text(reader.stdout);
  await vi.waitUntil(
    () => {
      try {
        put(pipe, 'x'.repeat(200_000)); // more than a pipe holds
        return true;
      } catch {
        return false; // cat has not opened it yet
      }
    },
    { timeout: 10_000, interval: 20 },
  );
  expect((await read).length).toBe(200_000);
  expect(statSync(pipe).isFIFO()).toBe(true);
});

it('adds to a file that standard output goes to', () => {
  const code = `
    import { writeSync } from 'node:fs';
    import { writeFileAtomically } from ${JSON.stringify(module)};
    writeSync(1, 'before\\n');
    writeFileAtomically('/dev/stdout', (write) => { write(Buffer.from('between\\n')); });
    writeSync(1, 'after\\n');`;
  execFileSync('sh', ['-c', 'exec "$0" --input-type=module -e "$1" > "$2"', process.execPath, code, file]);
  expect(readFileSync(file, 'utf8')).toBe('before\nbetween\nafter\n');
});

it('keeps the old file where the system refuses to write on, half-way', () => {
  // A limit on file sizes makes write() fail as a full disk does, without a disk of one's own.
  const code = `
    import { writeFileAtomically } from ${JSON.stringify(module)};
    try {
      writeFileAtomically(${JSON.stringify(file)}, (write) => {
        for (let i = 0; i < 100; i++) write(new Uint8Array(10_000));
      });
    } catch (error) {
      console.log(error.code);
    }`;
  const output = execFileSync('sh', [
    '-c',
    'ulimit -f 256; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    code,
  ]);
  expect(output.toString()).toBe('EFBIG\n');
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['checkpoint']);
});

it('leaves a whole file when killed at any moment', async () => {
  const code = `
    import { writeFileAtomically } from ${JSON.stringify(module)};
    for (let i = 0; ; i = (i + 1) % 256) {
      writeFileAtomically(${JSON.stringify(file)}, (write) => {
        for (let piece = 0; piece < 100; piece++) write(new Uint8Array(10_000).fill(i));
      });
      if (i === 0) console.log('started');
    }`;
  for (const delay of [0, 3, 10, 31]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await exited;
    const content = readFileSync(file);
    expect(content.length).toBe(1_000_000);
    expect(content.every((byte) => byte === content[0])).toBe(true);
  }
});
