/** What CMake says of a libtorch that nothing can be compiled against: one sentence. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { root } from './projectFiles.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-cmake-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The complaint of CMake, its lines joined. */
function configure(name: string, files: Readonly<Record<string, string>>): string {
  const libtorch = join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(libtorch, file)), { recursive: true });
    writeFileSync(join(libtorch, file), text);
  }
  const source = join(root, 'packages/torch/native');
  const { status, stderr } = spawnSync('cmake', ['-S', source, '-B', join(folder, `${name}-build`)], {
    env: { ...process.env, LIBTORCH: libtorch },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  const [, message] = /CMake Error at libtorch\.cmake:\d+ \(message\):\n([^]*?)\n(?:Call Stack|\n)/.exec(stderr) ?? [];
  return (message ?? stderr).trim().replaceAll(/\s*\n\s*/g, ' ');
}

const files = { 'include/torch/library.h': '', 'lib/libtorch_cpu.so': '', 'lib/libc10.so': '' };
const version = 'include/torch/csrc/api/include/torch/version.h';

it('is too old', () => {
  const text = '#define TORCH_VERSION_MAJOR 1\n#define TORCH_VERSION_MINOR 12\n#define TORCH_VERSION_PATCH 1\n';
  expect(configure('old', { ...files, [version]: text })).toBe(
    `libtorch 1.12 at ${join(folder, 'old/include')} is too old: 1.13 or later is needed`,
  );
});

it('has no headers, or none of a version', () => {
  expect(configure('bare', { 'lib/libtorch_cpu.so': '', 'lib/libc10.so': '' })).toBe(
    `LIBTORCH=${join(folder, 'bare')} has no include/torch/library.h: set it to an unpacked libtorch 1.13 or later`,
  );
  expect(configure('unknown', { ...files, [version]: '' })).toBe(
    `the version of the libtorch at ${join(folder, 'unknown/include')} could not be read`,
  );
});
