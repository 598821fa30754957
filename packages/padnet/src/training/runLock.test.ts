import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RunFolder } from './runFolder.js';
import { lockRun } from './runLock.js';

let parent: string;
let run: RunFolder;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-lock-'));
  run = new RunFolder(join(parent, 'run'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

it('leaves nothing once disposed', () => {
  {
    using lock = lockRun(run);
    expect(lock).not.toBeNull();
    expect(existsSync(`${run.path}.lock`)).toBe(true);
    expect(run.exists).toBe(false);
  }
  expect(existsSync(`${run.path}.lock`)).toBe(false);
});

it('leaves a run to the process that has it, and takes that of one that is gone', () => {
  writeFileSync(`${run.path}.lock`, String(process.ppid));
  expect(lockRun(run)).toBeNull();
  expect(existsSync(`${run.path}.lock`)).toBe(true);
  writeFileSync(`${run.path}.lock`, '999999999');
  using lock = lockRun(run);
  expect(lock).not.toBeNull();
});
