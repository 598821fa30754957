/** A hub on 127.0.0.1 for tests: files with ETags, ranges, and failures on demand. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServedFile {
  readonly bytes: Uint8Array;
  /** Without quotes. @default the SHA-256 */
  readonly etag?: string;
}

type Interference = (request: IncomingMessage, response: ServerResponse, file: ServedFile) => boolean;

export interface HubServer {
  readonly address: string;
  /** By path in the address: `/org/name/resolve/main/config.json`. */
  readonly files: Map<string, ServedFile>;
  readonly requests: { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** Tried in order before a file is served; those that answer true are used up. */
  readonly interferences: Interference[];
  close(): Promise<void>;
}

export async function startHubServer(): Promise<HubServer> {
  const files = new Map<string, ServedFile>();
  const requests: { path: string; headers: IncomingMessage['headers'] }[] = [];
  const interferences: Interference[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push({ path, headers: request.headers });
    const file = files.get(path);
    if (!file) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    const used = interferences.findIndex((interfere) => interfere(request, response, file));
    if (used >= 0) interferences.splice(used, 1);
    else serve(request, response, file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    files,
    requests,
    interferences,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function serve(request: IncomingMessage, response: ServerResponse, file: ServedFile): void {
  const { bytes } = file;
  const etag = `"${file.etag ?? sha256(bytes)}"`;
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const from = range && request.headers['if-range'] === etag ? Number(range[1]) : 0;
  response.writeHead(from > 0 ? 206 : 200, {
    etag,
    'content-length': bytes.length - from,
    ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  });
  response.end(bytes.subarray(from));
}

/** Sends the head and half of the body, and breaks the connection once `arrived` is settled. */
export const breakOff =
  (path: string, arrived: Promise<void>): Interference =>
  (request, response, file) => {
    if (request.url !== path) return false;
    response.writeHead(200, { etag: `"${file.etag ?? sha256(file.bytes)}"`, 'content-length': file.bytes.length });
    response.write(file.bytes.subarray(0, file.bytes.length / 2));
    void arrived.then(() => response.destroy());
    return true;
  };

export const failWith =
  (status: number): Interference =>
  (_, response) => {
    response.writeHead(status).end();
    return true;
  };
