import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendLine, isLeftover, removeLeftovers } from './appendLine.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-write-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('appends lines to a file that is there', () => {
  const file = join(folder, 'lines');
  expect(() => {
    appendLine(file, 'one');
  }).toThrow(/lines has been deleted while the run was trained, .*--allow-changes/);
  writeFileSync(file, '');
  appendLine(file, 'one');
  appendLine(file, 'two');
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
});

it('names the file and the reason', () => {
  const occupied = join(folder, 'occupied');
  mkdirSync(occupied);
  writeFileSync(join(occupied, 'x'), '');
  expect(() => {
    appendLine(occupied, 'x');
  }).toThrow(/^.*occupied could not be written: it is a folder; .* is kept$/);
  expect(readdirSync(folder)).toEqual(['occupied']);
});

it('removes what was left half-written, and nothing else', () => {
  const others = ['recipe.yaml', '.padnet-notes.tmp', 'model.tmp'];
  const halves = ['.padnet-1-00ff00ff00ff.tmp', `.padnet-${process.pid}-0123456789ab.tmp`];
  for (const name of [...halves, ...others]) writeFileSync(join(folder, name), 'x');
  mkdirSync(join(folder, '.padnet-2-0123456789ab.tmp')); // a network's
  writeFileSync(join(folder, '.padnet-2-0123456789ab.tmp', 'model.safetensors'), 'x');
  expect([...halves, ...others].map(isLeftover)).toEqual([true, true, false, false, false]);
  removeLeftovers(folder);
  expect(readdirSync(folder).sort()).toEqual([...others].sort());
  removeLeftovers(join(folder, 'none'));
});
