/**
 * One file from a hub to the disk. What has arrived lies in `….part` beside the target until it is whole and its
 * checksum right; an interrupted download goes on where it stopped, if the server still has the same file.
 */
import { createHash } from 'node:crypto';
import { open, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError, reasonOf } from '../../../errors.js';
import { maxSettingsBytes, readRegularText } from '../../../readRegularFile.js';
import { requestFile, type Checksum, type Hub, type HubResponse } from './hubRequest.js';

export interface DownloadProgress {
  /** The file's name in the model. */
  readonly file: string;
  readonly receivedBytes: number;
  /** null where the server does not say. */
  readonly totalBytes: number | null;
}

export interface DownloadOptions {
  readonly hub: Hub;
  readonly url: URL;
  /** The path to write; replaced at once when all is there. */
  readonly target: string;
  readonly onProgress: (progress: Omit<DownloadProgress, 'file'>) => void;
}

/** `refused`: the hub has no such file, or not for us. */
export type DownloadResult =
  | { readonly status: 'downloaded'; readonly commit: string | null }
  | { readonly status: 'refused'; readonly code: 401 | 403 | 404; readonly reason: string };

/** Attempts without a single byte that are made before giving up; the waits between them double. */
const maxAttempts = 5;
const firstWait = 200;

/** A failure that may be gone at the next attempt. */
class PassingError extends Error {}

/**
 * @throws InputError where the server cannot be reached or keeps failing, or the bytes do not have the checksum; the
 *   signal's reason where it is aborted
 */
export async function downloadFile(options: DownloadOptions): Promise<DownloadResult> {
  const { url, hub } = options;
  let failures = 0;
  for (;;) {
    if (await exists(options.target)) return { status: 'downloaded', commit: null }; // another process was faster
    const before = await partSize(options.target);
    try {
      return await attempt(options);
    } catch (error) {
      hub.signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
      const advanced = (await partSize(options.target)) > before;
      failures = advanced ? 1 : failures + 1;
      if (failures >= maxAttempts || (isOffline(error) && !advanced)) {
        throw new InputError(`${url.href}: could not be downloaded: ${whyNot(error)}; ${wayOut(error, url)}`, {
          cause: error,
        });
      }
      await sleep(firstWait * 2 ** (failures - 1), undefined, hub.signal ? { signal: hub.signal } : {}).catch(() => {
        hub.signal?.throwIfAborted();
      });
    }
  }
}

async function attempt(options: DownloadOptions): Promise<DownloadResult> {
  const { hub, url, target } = options;
  const validator = (await exists(validatorOf(target)))
    ? readRegularText(validatorOf(target), { expected: 'an ETag', maxBytes: maxSettingsBytes })
    : null;
  const have = validator === null ? 0 : await partSize(target);
  const headers: Record<string, string> =
    have > 0 && validator !== null ? { range: `bytes=${have}-`, 'if-range': validator } : {};
  const answer = await requestFile(hub, url, headers);
  const { status, headers: received } = answer.response;
  if (status === 401 || status === 403 || status === 404) {
    await answer.response.body?.cancel();
    const reason = received.get('x-error-message') ?? received.get('x-error-code') ?? '';
    return { status: 'refused', code: status, reason };
  }
  if (status === 416) {
    await answer.response.body?.cancel();
    await discard(target);
    throw new PassingError('the server has no more than was downloaded before');
  }
  if (status !== 200 && status !== 206) {
    await answer.response.body?.cancel();
    const error = `the server answers ${status}`;
    if (status < 500 && status !== 408 && status !== 429) throw new InputError(`${url.href}: ${error}`);
    throw new PassingError(error);
  }
  const from = status === 206 ? have : 0;
  if (status === 206 && !(received.get('content-range') ?? '').startsWith(`bytes ${have}-`)) {
    await answer.response.body?.cancel();
    await discard(target);
    throw new PassingError('the server sent a part that was not asked for');
  }
  await receive(options, answer, from);
  return { status: 'downloaded', commit: answer.commit };
}

/** Writes the answer's body from byte `from` on, checks the whole, and puts it in place. */
async function receive(options: DownloadOptions, { response, checksum }: HubResponse, from: number): Promise<void> {
  const { url, target, onProgress } = options;
  const length = response.headers.get('content-length');
  const totalBytes = length === null ? null : from + Number(length);
  if (from === 0) {
    await discard(target);
    const etag = response.headers.get('etag');
    // A weak validator does not promise the same bytes: without a strong one the next attempt begins anew.
    if (etag !== null && !etag.startsWith('W/')) await writeFile(validatorOf(target), etag);
  }
  // Written by position, not appended: two processes that go on with the same part write the same bytes.
  // One that begins anew has a file of its own, so that it does not empty that of another.
  const handle = await open(partOf(target), from === 0 ? 'wx+' : 'r+').catch(async (error: unknown) => {
    await response.body?.cancel();
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new PassingError('another process is downloading the same file');
    throw error;
  });
  try {
    let receivedBytes = from;
    onProgress({ receivedBytes, totalBytes });
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      await handle.write(chunk, 0, chunk.length, receivedBytes);
      receivedBytes += chunk.length;
      onProgress({ receivedBytes, totalBytes });
    }
    if (totalBytes !== null && receivedBytes !== totalBytes) {
      throw new PassingError(`${receivedBytes} of ${totalBytes} bytes came`);
    }
    await handle.sync();
    const found = checksum && (await hash(handle, checksum, receivedBytes));
    if (checksum && found !== checksum.hex) {
      await discard(target);
      throw new InputError(
        `${url.href}: refused, its checksum is ${found}, expected ${checksum.hex}; try again; if it stays so, tell ` +
          'the owner of the model or mirror',
      );
    }
    if (!(await isAt(handle, partOf(target)))) throw new PassingError('another process is downloading the same file');
  } finally {
    await handle.close();
  }
  await rename(partOf(target), target);
  await rm(validatorOf(target), { force: true });
}

async function hash(handle: FileHandle, { kind }: Checksum, size: number): Promise<string> {
  const digest = kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  const stream = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 });
  for await (const chunk of stream as AsyncIterable<Uint8Array>) digest.update(chunk);
  return digest.digest('hex');
}

/** Whether `path` is still the file that was opened; another process may have begun anew, or put it in place. */
async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const opened = await handle.stat();
  return stat(path).then(
    ({ ino, dev }) => ino === opened.ino && dev === opened.dev,
    () => false,
  );
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const partOf = (target: string): string => `${target}.part`;
/** Beside the part: the ETag of the answer that it came with. */
const validatorOf = (target: string): string => `${target}.part.etag`;

async function partSize(target: string): Promise<number> {
  return stat(partOf(target)).then(
    ({ size }) => size,
    () => 0,
  );
}

async function discard(target: string): Promise<void> {
  await rm(validatorOf(target), { force: true });
  await rm(partOf(target), { force: true });
}

/**
 * Errors of `fetch` and of a body that breaks off are TypeErrors whose cause says what happened; the part is gone where
 * another process put it in place.
 */
function isPassing(error: unknown): boolean {
  if (error instanceof PassingError || (error as NodeJS.ErrnoException).code === 'ENOENT') return true;
  return error instanceof TypeError && error.cause instanceof Error;
}

function codeOf(error: unknown): string | undefined {
  const { cause } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code;
}

function isOffline(error: unknown): boolean {
  return ['ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN', 'ENETUNREACH'].includes(codeOf(error) ?? '');
}

/** The codes of failed connections, in words. */
const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no address is known for that name',
  EAI_AGAIN: 'the address could not be looked up',
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection broke off',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'nothing answers',
};

function whyNot(error: unknown): string {
  return words[codeOf(error) ?? ''] ?? reasonOf(error instanceof Error ? (error.cause ?? error) : error);
}

function wayOut(error: unknown, { host }: URL): string {
  return isOffline(error)
    ? `${host} cannot be reached: check the network, or give the folder of a model that is already there`
    : 'what has arrived is kept, try again later';
}
