import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { availableMemory, peakMemory } from './memory.js';

it('tells what this process used at most, and nothing of the one that started it', () => {
  const own = new Uint8Array(2 ** 28).fill(1);
  expect(peakMemory()).toBeGreaterThan(own.length);
  const script = "import { peakMemory } from './memory.js'; console.log(peakMemory());";
  const cwd = new URL('.', import.meta.url);
  const child = Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd }));
  expect(child).toBeGreaterThan(10e6);
  expect(child).toBeLessThan(own.length);
});

it('tells what can still be used', () => {
  expect(availableMemory()).toBeGreaterThan(50e6);
});
