/** Files of a web server, kept in Cache Storage where there is one. */
import type { FileKind, ModelFiles, ReadOptions } from '../engine/modelFiles.js';
import { InputError } from '../errors.js';

/** What of a response says whether a file is still the same. */
const versionHeaders = ['etag', 'last-modified', 'content-length'] as const;

const CACHE = 'padnet-runtime-1';

/** The largest file that is downloaded: what a buffer can have everywhere. */
const MAX_BYTES = 2 ** 31 - 1;

/** @param folder the address of the folder: it ends with a slash */
export function webFiles(folder: URL, { cache: wantsCache }: { readonly cache: boolean }): ModelFiles {
  const url = (name: string): string => new URL(name, folder).href;
  return {
    path: url,
    read: async (name, kind, options) => {
      const cache = wantsCache && kind !== 'manifest' ? await openCache() : null;
      const kept = cache && (await keptFile(cache, url(name), options));
      if (kept) return await download(kept, { url: url(name), name, fromCache: true }, options);
      const response = await get(url(name), {}, kind, options);
      if (response === null) return null;
      const bytes = await download(response, { url: url(name), name, fromCache: false }, options);
      if (cache) await keep(cache, url(name), response, bytes);
      return bytes;
    },
  };
}

/** null where there is none: in a page that is not secure, or where the browser may not keep anything. */
async function openCache(): Promise<Cache | null> {
  try {
    return await caches.open(CACHE);
  } catch {
    return null;
  }
}

/** What was kept of a file, if the server says that it is still the same. */
async function keptFile(cache: Cache, url: string, { signal }: ReadOptions): Promise<Response | null> {
  try {
    const kept = await cache.match(url);
    if (!kept) return null;
    const { ok, headers } = await fetch(url, { method: 'HEAD', cache: 'no-cache', signal: signal ?? null });
    const isSame = ok && version(headers) !== null && version(headers) === version(kept.headers);
    if (!isSame) await cache.delete(url);
    return isSame ? kept : null;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/** null where the server says nothing that a change would change. */
function version(headers: Headers): string | null {
  if (!headers.has('etag') && !headers.has('last-modified')) return null;
  return versionHeaders.map((name) => headers.get(name) ?? '').join('\n');
}

/** A cache that is full, or may not be written, is no reason to give no answer. */
async function keep(cache: Cache, url: string, { headers }: Response, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  if (version(headers) === null) return;
  const kept = new Headers();
  for (const name of versionHeaders) if (headers.has(name)) kept.set(name, headers.get(name)!);
  try {
    await cache.put(url, new Response(chunks(bytes), { headers: kept }));
  } catch {
    await cache.delete(url).catch(() => false);
  }
}

/** As a stream, so that there is no second copy. */
function chunks(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const size = 2 ** 20;
  let at = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, (at += size)));
    },
  });
}

/** null where a file of a tokenizer is not there. */
async function get(url: string, init: RequestInit, kind: FileKind, { signal }: ReadOptions): Promise<Response | null> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, cache: 'no-cache', signal: signal ?? null });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new InputError(`${url} cannot be reached; is the server there, and does it allow this page to read it?`, {
      cause,
    });
  }
  if (kind === 'tokenizer' && response.status === 404) return null;
  if (!response.ok)
    throw new InputError(`${url}: the server answers ${response.status}; give the address of an exported network`);
  if (response.headers.get('content-type')?.startsWith('text/html') === true)
    throw new InputError(`${url}: the server sends a page (HTML); give the address of an exported network`);
  return response;
}

interface File {
  readonly url: string;
  readonly name: string;
  readonly fromCache: boolean;
}

async function download(
  { headers, body }: Response,
  { url, name, fromCache }: File,
  { signal, onProgress }: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  // The length of what is sent compressed is not that of the file.
  const length = headers.has('content-encoding') ? null : headers.get('content-length');
  const totalBytes = length === null ? null : Number(length);
  const tooLarge = `${url} is larger than ${MAX_BYTES} bytes; is it the right file?`;
  if (totalBytes !== null && !(totalBytes <= MAX_BYTES)) throw new InputError(tooLarge);
  const whole = totalBytes === null ? null : new Uint8Array(totalBytes);
  const parts: Uint8Array[] = [];
  let loadedBytes = 0;
  const brokeOff = (cause?: unknown): InputError =>
    new InputError(
      `the download of ${url} broke off after ${loadedBytes}${totalBytes === null ? '' : ` of ${totalBytes}`} bytes; ` +
        'try again',
      { cause },
    );
  const reader = body?.getReader();
  try {
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) break;
      if (loadedBytes + part.value.length > (totalBytes ?? MAX_BYTES)) throw new InputError(tooLarge);
      if (whole) whole.set(part.value, loadedBytes);
      else parts.push(part.value);
      loadedBytes += part.value.length;
      onProgress?.({ file: name, loadedBytes, totalBytes, fromCache });
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof InputError) throw cause;
    throw brokeOff(cause);
  }
  if (totalBytes !== null && loadedBytes < totalBytes) throw brokeOff();
  return whole ?? joined(parts, loadedBytes);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
