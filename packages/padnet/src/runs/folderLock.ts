/**
 * A folder that is written to has one writer at a time. The lock is one of the system's, of the file `.padnet.lock` in
 * the folder, and ends with the process or thread that has it, however that ends. What the file says is for people
 * alone: a file that is left behind, whatever is in it, holds nobody up, and a process that is stopped keeps what it
 * has.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { z } from 'zod';
import { InputError, reasonOf } from '../errors.js';
import { makeFolder } from '../outputFile.js';
import { readRegularText } from '../readRegularFile.js';

/** Another process, or another part of this one, writes to the folder. */
export class FolderHeldError extends InputError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'FolderHeldError';
  }
}

const LOCK_FILE = '.padnet.lock';

/** Whether a file of this name in a folder is its lock. */
export function isLockFile(name: string): boolean {
  return name === LOCK_FILE;
}

const holderSchema = z.object({ pid: z.int(), host: z.string(), since: z.string(), command: z.string() });

/** For those who only write a file: by then they have gone. */
const patience = 2000; // milliseconds
const interval = 50;

/**
 * Holds the folder until disposed, and makes it where it is not there; one that was made and is still empty then goes
 * again.
 *
 * @throws FolderHeldError saying who has it, where that does not end within two seconds; InputError where the folder
 *   cannot be made or written to
 */
export async function holdFolder(folder: string): Promise<Disposable> {
  const end = performance.now() + patience;
  for (;;) {
    const made = makeFolder(folder);
    const descriptor = openLock(folder);
    if (descriptor !== null) {
      return {
        [Symbol.dispose]: () => {
          try {
            rmSync(join(folder, LOCK_FILE), { force: true });
          } catch {
            // What is left holds nobody up; what went wrong before is told instead.
          }
          closeSync(descriptor);
          if (made !== undefined) removeEmpty(resolve(folder), resolve(made));
        },
      };
    }
    if (performance.now() > end) throw new FolderHeldError(`${folder} is held by ${holderText(folder)}`);
    await sleep(interval);
  }
}

/** The folder and those above it up to `first`, as far as they are empty. */
function removeEmpty(folder: string, first: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return;
  }
  if (folder !== first) removeEmpty(dirname(folder), first);
}

/** @returns the open lock; null where somebody has it */
function openLock(folder: string): number | null {
  const file = join(folder, LOCK_FILE);
  let descriptor: number;
  try {
    // Not through a link: what is written would overwrite somebody else's file.
    descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null; // the folder has gone with the one that made it
    if (code === 'EACCES' && removeLeft(file)) return null; // another user's
    const kinds: Partial<Record<string, string>> = { ELOOP: 'a link', EISDIR: 'a folder' };
    const kind = kinds[code ?? ''];
    const reason = kind === undefined ? reasonOf(error) : `${LOCK_FILE} in it is ${kind}; remove it`;
    throw new InputError(`${folder} could not be written to: ${reason}`, { cause: error });
  }
  if (lock(descriptor, folder) && isStill(file, descriptor)) {
    describeHolder(descriptor);
    return descriptor;
  }
  closeSync(descriptor);
  return null;
}

/**
 * Removes a lock that may be read alone, where nobody has it.
 *
 * @returns whether it is to be tried again: it has gone, or somebody has it
 */
function removeLeft(file: string): boolean {
  try {
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      if (tryLock(descriptor, { shared: true }) && isStill(file, descriptor)) rmSync(file, { force: true });
      return true;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return false;
  }
}

function lock(descriptor: number, folder: string): boolean {
  try {
    return tryLock(descriptor);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(code)) throw error;
    process.emitWarning(`${folder}: its file system has no locks, so that nothing keeps a second process out of it`);
    return true;
  }
}

/** The one who had it before has removed the file, unless it is still at its place. */
function isStill(file: string, descriptor: number): boolean {
  const opened = fstatSync(descriptor);
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.ino === opened.ino && found.dev === opened.dev;
}

function describeHolder(descriptor: number): void {
  const { pid, command } = work;
  const holder = { pid, host: hostname(), since: new Date().toISOString(), command };
  try {
    ftruncateSync(descriptor);
    writeSync(descriptor, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // On a full disk the lock holds all the same.
  }
}

/** Such as ``process 4711 (`padnet train a.yaml`) since …; wait for it or end it``. */
function holderText(folder: string): string {
  try {
    const holder = holderSchema.parse(JSON.parse(readRegularText(join(folder, LOCK_FILE), { expected: 'a lock' })));
    const place = holder.host === hostname() ? '' : ` on ${holder.host}`;
    return `process ${holder.pid}${place} (\`${holder.command}\`) since ${holder.since}; wait for it or end it`;
  } catch {
    return 'another process, which has not said who it is; wait for it or end it';
  }
}

/** Who works, and at what: a process, and its command. */
export interface Work {
  readonly pid: number;
  readonly command: string;
}

/** The description of this process that others are given. */
let work: Work = { pid: process.pid, command: commandOf(process.argv) };

function commandOf([node = 'node', program = '', ...parameters]: readonly string[]): string {
  const name = /^padnet(\.js)?$/.test(basename(program)) ? ['padnet'] : [basename(node), program];
  const text = [...name, ...parameters].join(' ').trim();
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** For the processes that work for this one. */
export function ownWork(): Work {
  return work;
}

/** Makes the work of this process that of another, which it works for: that is the one to be waited for, or ended. */
export function workFor(other: Work): void {
  work = other;
}
