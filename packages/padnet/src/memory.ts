/** Memory of the machine and of this process, and errors that come before it is used up. */
import { existsSync, readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { InputError } from './errors.js';

/** The memory that can be used without swapping, in the control group too, in bytes. */
export function availableMemory(): number {
  const [, kilobytes] = /^MemAvailable:\s+(\d+) kB/m.exec(contents('/proc/meminfo')) ?? [];
  const machine = kilobytes === undefined ? freemem() : 1024 * Number(kilobytes);
  const limit = Number(contents('/sys/fs/cgroup/memory.max')); // NaN for `max`, 0 where there is no file
  const used = Number(contents('/sys/fs/cgroup/memory.current'));
  return limit > 0 ? Math.min(machine, limit - used) : machine;
}

/** The most that this process has had in memory, bytes. */
export function peakMemory(): number {
  // The number of `resourceUsage` begins with the peak of the process that started this one.
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(contents('/proc/self/status')) ?? [];
  return 1024 * Number(kilobytes ?? process.resourceUsage().maxRSS);
}

function contents(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/**
 * Linux gives more memory than there is, and kills who uses it: what cannot fit is refused beforehand.
 *
 * @param bytes that are needed at least
 * @param what needs them: the subject of the message
 * @param wayOut what to do
 * @throws InputError where there are fewer
 */
export function assertMemory(bytes: number, what: string, wayOut: string): void {
  const available = availableMemory();
  if (bytes <= available) return;
  throw new InputError(
    `${what} ${gigabytes(bytes)} of memory, of which ${gigabytes(available)} are available; ${wayOut}`,
  );
}

function gigabytes(bytes: number): string {
  const number = bytes / 1e9;
  return `${number < 1e6 ? number.toFixed(1) : number.toExponential(1)} GB`;
}
