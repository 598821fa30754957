/** A web server on this machine alone, whose answers tests change. */
import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface StaticServer {
  readonly address: string;
  /** By path: what is answered instead of the file. */
  readonly instead: Map<string, Answer>;
  /** Sent with every file. */
  readonly headers: Map<string, string>;
  /** `GET /path` of each request. */
  readonly requests: string[];
  close(): Promise<void>;
}

export async function serveFolder(folder: string): Promise<StaticServer> {
  const instead = new Map<string, Answer>();
  const headers = new Map<string, string>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://server');
    requests.push(`${request.method!} ${pathname}`);
    const answer = instead.get(pathname);
    if (answer) {
      answer(request, response);
      return;
    }
    const file = join(folder, pathname);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      ...Object.fromEntries(headers),
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'content-length': stats.size,
      etag: `"${stats.mtimeMs}-${stats.size}"`,
    });
    if (request.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    instead,
    headers,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
