import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendLine, leftoverWriter, removeLeftovers, writeFileAtomic } from './atomicWrite.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-write-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('writes text and bytes, and makes folders', () => {
  const file = join(folder, 'a', 'b', 'file');
  writeFileAtomic(file, 'ä\n');
  expect(readFileSync(file, 'utf8')).toBe('ä\n');
  writeFileAtomic(file, Uint8Array.of(1, 2));
  expect([...readFileSync(file)]).toEqual([1, 2]);
  expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['file']);
});

it('appends lines', () => {
  const file = join(folder, 'lines');
  appendLine(file, 'one');
  appendLine(file, 'two');
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
});

it('names the file and the reason', () => {
  const occupied = join(folder, 'occupied');
  mkdirSync(occupied);
  writeFileSync(join(occupied, 'x'), '');
  const reason = /^.*occupied could not be written: (it is a folder|the folder is not empty); .* is kept$/;
  expect(() => {
    writeFileAtomic(occupied, 'x');
  }).toThrow(reason);
  expect(() => {
    appendLine(occupied, 'x');
  }).toThrow(reason);
  expect(() => {
    writeFileAtomic(join(occupied, 'x', 'y'), 'x');
  }).toThrow('x/y could not be written: ');
  expect(readdirSync(folder)).toEqual(['occupied']);
});

it('removes the leftovers of processes that are gone, and nothing else', () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const mine = `.padnet-${process.pid}-00ff00ff00ff.tmp`;
  const theirs = `.padnet-${pid}-0123456789ab.tmp`;
  const running = `.padnet-${process.ppid}-0123456789ab.tmp`;
  const others = ['recipe.yaml', '.padnet-notes.tmp', 'model.tmp'];
  for (const name of [mine, theirs, running, ...others]) writeFileSync(join(folder, name), 'x');
  expect([mine, theirs, running].map(leftoverWriter)).toEqual([process.pid, pid, process.ppid]);
  expect(others.map(leftoverWriter)).toEqual([null, null, null]);
  removeLeftovers(folder);
  expect(readdirSync(folder).sort()).toEqual([running, ...others].sort());
  removeLeftovers(join(folder, 'none'));
});
