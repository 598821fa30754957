import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderHeldError, holdFolder } from './folderLock.js';

const module = new URL('./folderLock.js', import.meta.url).href;

let parent: string;
let folder: string;
let lock: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'padnet-lock-'));
  folder = join(parent, 'run');
  lock = join(folder, '.padnet.lock');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(parent, { recursive: true });
});

/** A process that has the folder until it ends. */
async function holder(path = folder): Promise<ChildProcess> {
  const code = `
    import { holdFolder } from ${JSON.stringify(module)};
    globalThis.hold = await holdFolder(${JSON.stringify(path)});
    console.log('held');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

const failure = async (path = folder): Promise<string> => {
  const error = await holdFolder(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FolderHeldError);
  return (error as Error).message;
};

async function isFree(path = folder): Promise<boolean> {
  try {
    using _hold = await holdFolder(path);
    return true;
  } catch {
    return false;
  }
}

it('names a lock that is a folder, and lets what went wrong while it was held be told', async () => {
  mkdirSync(lock, { recursive: true });
  await expect(holdFolder(folder)).rejects.toThrow('.padnet.lock in it is a folder; remove it');
  rmSync(lock, { recursive: true });
  const work = async (): Promise<void> => {
    using _hold = await holdFolder(folder);
    rmSync(lock);
    mkdirSync(lock); // it cannot be removed, as in a folder that has become read-only
    throw new Error('what went wrong');
  };
  await expect(work()).rejects.toThrow(/^what went wrong$/);
});

it('leaves nothing once disposed: neither the lock nor folders that are empty', async () => {
  const deep = join(folder, 'a', 'b');
  {
    using _hold = await holdFolder(deep);
    expect(readdirSync(deep)).toEqual(['.padnet.lock']);
  }
  expect(existsSync(folder)).toBe(false);
  mkdirSync(folder);
  expect(await isFree()).toBe(true);
  expect(readdirSync(folder)).toEqual([]);
  {
    using _hold = await holdFolder(deep);
    writeFileSync(join(folder, 'a', 'notes.txt'), 'mine');
  }
  expect(readdirSync(folder, { recursive: true })).toEqual(['a', join('a', 'notes.txt')]);
});

it('says who has it, by whatever way the folder is named', async () => {
  const child = await holder();
  symlinkSync('run', join(parent, 'link'));
  for (const path of [folder, `${folder}/`, join(parent, 'link'), join(parent, 'other', '..', 'run')])
    expect(await failure(path)).toMatch(
      new RegExp(`^.* is held by process ${child.pid} \\(\`node\`\\) since \\d{4}-.*Z; wait for it or end it$`),
    );
  writeFileSync(lock, readFileSync(lock, 'utf8').replace(`"${hostname()}"`, '"node17"'));
  expect(await failure()).toMatch(new RegExp(`by process ${child.pid} on node17 `));
  writeFileSync(lock, '');
  expect(await failure()).toBe(
    `${folder} is held by another process, which has not said who it is; wait for it or end it`,
  );
}, 30_000);

it('waits for one who is soon done', async () => {
  const hold = await holdFolder(folder);
  setTimeout(() => {
    hold[Symbol.dispose]();
  }, 200);
  expect(await isFree()).toBe(true);
});

it('is for one part of a process alone, and for one of its threads', async () => {
  const code = `
    import { parentPort } from 'node:worker_threads';
    const { holdFolder } = await import(${JSON.stringify(module)});
    globalThis.hold = await holdFolder(${JSON.stringify(folder)});
    parentPort.postMessage('held');
    parentPort.on('message', () => undefined);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  await once(worker, 'message');
  expect(await failure()).toContain(`is held by process ${process.pid} `);
  await worker.terminate(); // without a chance to tidy up
  const hold = await holdFolder(folder);
  expect(await failure()).toContain(`is held by process ${process.pid} `);
  hold[Symbol.dispose]();
  expect(await isFree()).toBe(true);
}, 30_000);

describe('a lock that was left behind is none', () => {
  it.each([
    ['empty, as on a full disk', ''],
    ['of something else', '\0\0garbage'],
    [
      'of a process that has gone',
      `{"pid":999999999,"host":"${hostname()}","since":"2026-01-01T00:00:00Z","command":"x"}`,
    ],
    [
      'of a number that another process has now',
      `{"pid":1,"host":"${hostname()}","since":"2026-01-01T00:00:00Z","command":"x"}`,
    ],
    ['of another machine', '{"pid":1,"host":"node17","since":"2026-01-01T00:00:00Z","command":"x"}'],
  ])('%s', async (_, text) => {
    mkdirSync(folder);
    writeFileSync(lock, text);
    expect(await isFree()).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a process that was killed', async () => {
    const child = await holder();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(lock)).toBe(true);
    expect(await isFree()).toBe(true);
    expect(existsSync(lock)).toBe(false);
  }, 30_000);
});

it('keeps what a process that is stopped has', async () => {
  const child = await holder();
  child.kill('SIGSTOP');
  expect(await failure()).toContain(`is held by process ${child.pid} `);
}, 30_000);

it('is got by one of many that want it, again and again', async () => {
  const code = `
    import { appendFileSync } from 'node:fs';
    import { holdFolder } from ${JSON.stringify(module)};
    for (let turn = 0; turn < 20; turn++) {
      const hold = await holdFolder(${JSON.stringify(folder)});
      appendFileSync(${JSON.stringify(join(parent, 'log'))}, '<');
      await new Promise((resolve) => setTimeout(resolve, 1));
      appendFileSync(${JSON.stringify(join(parent, 'log'))}, '>');
      hold[Symbol.dispose]();
    }`;
  const racers = Array.from({ length: 3 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    return once(child, 'exit');
  });
  for (const [exitCode] of await Promise.all(racers)) expect([0, 1]).toContain(exitCode);
  expect(readFileSync(join(parent, 'log'), 'utf8')).toMatch(/^(<>){20,60}$/);
}, 60_000);

it('says why a folder cannot be written to', async () => {
  writeFileSync(join(parent, 'file'), '');
  const message = async (path: string): Promise<string> =>
    holdFolder(path).then(
      () => '',
      (error: unknown) => (error as Error).message,
    );
  expect(await message(join(parent, 'file'))).toBe(`${join(parent, 'file')} is a file, expected a folder`);
  expect(await message(join(parent, 'file', 'x'))).toMatch(/x could not be made: a part of its path is a file/);
  expect(await message('/proc/padnet')).toBe('/proc/padnet could not be made: no folder can be made there');
  mkdirSync(folder);
  symlinkSync(join(parent, 'file'), lock);
  writeFileSync(join(parent, 'file'), 'mine');
  expect(await message(folder)).toBe(`${folder} could not be written to: .padnet.lock in it is a link; remove it`);
  expect(readFileSync(join(parent, 'file'), 'utf8')).toBe('mine');
  rmSync(lock);
  mkdirSync(lock);
  expect(await message(folder)).toBe(`${folder} could not be written to: .padnet.lock in it is a folder; remove it`);
});
