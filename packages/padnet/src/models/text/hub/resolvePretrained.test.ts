import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputError } from '../../../errors.js';
import { breakOff, failWith, startHubServer, type HubServer } from './hubServer.test.fixture.js';
import { resolvePretrained, type DownloadProgress } from './resolvePretrained.js';

const config = Buffer.from(
  JSON.stringify({
    model_type: 'bert',
    vocab_size: 10,
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 8,
    max_position_embeddings: 8,
  }),
);
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => index % 251));
const root = '/org/tiny/resolve/main';

let server: HubServer;
let cache: string;
beforeEach(async () => {
  vi.stubEnv('HF_TOKEN', undefined);
  vi.stubEnv('HF_ENDPOINT', undefined);
  cache = mkdtempSync(join(tmpdir(), 'padnet-hub-'));
  server = await startHubServer();
  server.files.set(`${root}/config.json`, { bytes: config });
  server.files.set(`${root}/vocab.txt`, { bytes: Buffer.from('[PAD]\na\n') });
  server.files.set(`${root}/model.safetensors`, { bytes: weights });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(cache, { recursive: true });
});

const resolve = (name = 'org/tiny', more = {}): Promise<string> =>
  resolvePretrained(name, { hub: server.address, cache, ...more });

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
}

const asked = (file: string): HubServer['requests'] => server.requests.filter(({ path }) => path === `${root}/${file}`);

describe('a model of the hub', () => {
  it('is downloaded whole, and the second time taken from the cache without network', async () => {
    const progress: DownloadProgress[] = [];
    const folder = await resolve('org/tiny', { onProgress: (step: DownloadProgress) => progress.push(step) });
    expect(folder).toBe(join(cache, 'org--tiny', 'main'));
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'padnet-download.json',
      'vocab.txt',
    ]);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(progress.at(-1)).toEqual({ file: 'model.safetensors', receivedBytes: 300_000, totalBytes: 300_000 });
    const before = server.requests.length;
    expect(await resolve()).toBe(folder);
    expect(server.requests.length).toBe(before);
    await server.close();
    expect(await resolve()).toBe(folder);
  });

  it('goes on where a download broke off', async () => {
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((settle) => (arrive = settle));
    server.interferences.push(breakOff(`${root}/model.safetensors`, arrived));
    const folder = await resolve('org/tiny', {
      onProgress: ({ receivedBytes }: DownloadProgress) => {
        if (receivedBytes === 150_000) arrive();
      },
    });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    const [first, second] = asked('model.safetensors');
    expect(first!.headers.range).toBeUndefined();
    expect(second!.headers.range).toBe('bytes=150000-');
    expect(readdirSync(folder).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('goes on in a later run too, unless the file has changed', async () => {
    const controller = new AbortController();
    const stopped = resolve('org/tiny', {
      signal: controller.signal,
      onProgress: ({ file, receivedBytes }: DownloadProgress) => {
        if (file === 'model.safetensors' && receivedBytes > 0) controller.abort(new Error('stopped'));
      },
    });
    await expect(stopped).rejects.toThrow('stopped');
    const part = join(cache, 'org--tiny', 'main', 'model.safetensors.part');
    const have = readFileSync(part).length;
    expect(have).toBeGreaterThan(0);
    expect(have).toBeLessThan(weights.length);
    const changed = Buffer.alloc(1000, 'new');
    server.files.set(`${root}/model.safetensors`, { bytes: changed });
    const folder = await resolve();
    expect(asked('model.safetensors').at(-1)!.headers.range).toBe(`bytes=${have}-`);
    expect(asked('config.json').length).toBe(1);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(changed)).toBe(true);
  });

  it('is tried again after errors that pass', async () => {
    server.interferences.push(failWith(500), failWith(503));
    const folder = await resolve();
    expect(readFileSync(join(folder, 'config.json')).equals(config)).toBe(true);
    expect(asked('config.json').length).toBe(3);
  });

  it('is refused where the checksum is wrong: SHA-256, or that of git for small files', async () => {
    const git = createHash('sha1').update(`blob ${config.length}\0`).update(config).digest('hex');
    server.files.set(`${root}/config.json`, { bytes: config, etag: git });
    server.files.set(`${root}/model.safetensors`, { bytes: weights, etag: '0'.repeat(64) });
    expect(await messageOf(resolve())).toMatch(
      /model\.safetensors: refused, its checksum is [0-9a-f]{64}, expected 0{64}/,
    );
    const folder = join(cache, 'org--tiny', 'main');
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'padnet-download.json', 'vocab.txt']);
    rmSync(folder, { recursive: true });
    server.files.set(`${root}/config.json`, { bytes: config, etag: `1${git.slice(1)}` });
    expect(await messageOf(resolve())).toContain('config.json: refused');
  });

  it('comes in shards, or as a PyTorch file, where that is what there is', async () => {
    server.files.delete(`${root}/model.safetensors`);
    server.files.set(`${root}/pytorch_model.bin`, { bytes: weights });
    expect(existsSync(join(await resolve(), 'pytorch_model.bin'))).toBe(true);
    const index = { weight_map: { a: 'model-1-of-2.safetensors', b: 'model-2-of-2.safetensors' } };
    const sharded = '/org/sharded/resolve/main';
    server.files.set(`${sharded}/config.json`, { bytes: config });
    server.files.set(`${sharded}/model.safetensors.index.json`, { bytes: Buffer.from(JSON.stringify(index)) });
    server.files.set(`${sharded}/model-1-of-2.safetensors`, { bytes: weights });
    expect(await messageOf(resolve('org/sharded'))).toMatch(/its file model-2-of-2\.safetensors is missing/);
    server.files.set(`${sharded}/model-2-of-2.safetensors`, { bytes: weights });
    expect(readdirSync(await resolve('org/sharded'))).toContain('model-2-of-2.safetensors');
  });

  it('is of one commit, also where its branch moves meanwhile', async () => {
    const commit = 'c'.repeat(40);
    for (const [path, file] of [...server.files]) server.files.set(path.replace('main', commit), file);
    server.interferences.push((_, response, { bytes }) => {
      response.writeHead(200, { 'x-repo-commit': commit }).end(bytes);
      return true;
    });
    await resolve();
    expect(server.requests.slice(1).every(({ path }) => path.startsWith(`/org/tiny/resolve/${commit}/`))).toBe(true);
  });

  it('keeps no configuration whose commit was never noted', async () => {
    const folder = join(cache, 'org--tiny', 'main');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), '{"model_type":"bert"}');
    expect(readFileSync(join(await resolve(), 'config.json')).equals(config)).toBe(true);
  });

  it('is whole where two begin to download it at once', async () => {
    const path = `${root}/model.safetensors`;
    const head = { etag: '"v1"', 'content-length': weights.length };
    let finishFirst = (): void => undefined;
    server.interferences.push(
      (request, response) => {
        if (request.url !== path) return false;
        response.writeHead(200, head).write(weights.subarray(0, 200_000));
        finishFirst = () => response.end(weights.subarray(200_000));
        return true;
      },
      (request, response) => {
        if (request.url !== path) return false;
        response.writeHead(200, head).write(weights.subarray(0, 100_000));
        setTimeout(() => {
          finishFirst();
        }, 50);
        setTimeout(() => response.end(weights.subarray(100_000)), 150);
        return true;
      },
    );
    const isWhole = async (): Promise<boolean> =>
      readFileSync(join(await resolve(), 'model.safetensors')).equals(weights);
    expect(await Promise.all([isWhole(), isWhole()])).toEqual([true, true]);
  });
});

describe('the token', () => {
  it('that is empty is none, and spaces around it are not part of it', async () => {
    vi.stubEnv('HF_TOKEN', '');
    await resolve();
    expect(server.requests.some(({ headers }) => 'authorization' in headers)).toBe(false);
    vi.stubEnv('HF_TOKEN', 'hf_secret\n');
    await resolve('org/none').catch(() => undefined);
    expect(server.requests.at(-1)!.headers.authorization).toBe('Bearer hf_secret');
  });

  it('goes to the hub, and to no host that it redirects to; its checksum holds all the same', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    const elsewhere = await startHubServer();
    try {
      elsewhere.files.set('/blob', { bytes: weights, etag: 'f'.repeat(64) });
      const etag = createHash('sha256').update(weights).digest('hex');
      server.interferences.push((request, response) => {
        if (request.url !== `${root}/model.safetensors`) return false;
        response.writeHead(302, { location: `${elsewhere.address}/blob`, 'x-linked-etag': `"${etag}"` }).end();
        return true;
      });
      const folder = await resolve();
      expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
      expect(server.requests.every(({ headers }) => headers.authorization === 'Bearer hf_secret')).toBe(true);
      expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    } finally {
      await elsewhere.close();
    }
  });
});

describe('what is wrong', () => {
  it('names the model that there is not, or is private', async () => {
    expect(await messageOf(resolve('org/none'))).toMatch(
      /^org\/none: no such model at 127\.0\.0\.1:\d+ \(EntryNotFound\), or it is private: check the name and rev/,
    );
    server.interferences.push(failWith(401));
    expect(await messageOf(resolve())).toMatch(/or it is private.*the hub answers 401/);
  });

  it('is a file that the hub refuses, not one that the model has not', async () => {
    server.interferences.push((request, response) => {
      if (request.url !== `${root}/vocab.txt`) return false;
      response.writeHead(403).end();
      return true;
    });
    expect(await messageOf(resolve())).toMatch(/its file vocab\.txt is refused at 127\.0\.0\.1:\d+, which answers 403/);
    expect(readdirSync(await resolve())).toContain('vocab.txt');
  });

  it('is known before the weights are fetched', async () => {
    server.files.set(`${root}/config.json`, { bytes: Buffer.from('{"model_type":"gpt2"}') });
    expect(await messageOf(resolve())).toMatch(/model_type is "gpt2", expected one of bert, roberta, albert, electra/);
    server.files.set(`${root}/config.json`, { bytes: Buffer.from('<html>log in</html>') });
    expect(await messageOf(resolve())).toMatch(
      /config\.json: expected the configuration .*, but it is not JSON; get it again$/,
    );
    expect(server.requests.length).toBe(2);
  });

  it.each(['../secrets', 'org/../name', 'a/b/c', '/etc/none', 'org/na me', 'org\\name', '', 'org/n%2e%2e', 'a--b'])(
    'is no name: %s',
    async (name) => {
      expect(await messageOf(resolve(name))).toMatch(/no such folder, and it is not a name on the hub/);
      expect(server.requests).toEqual([]);
    },
  );

  it('is no revision, no hub', async () => {
    expect(await messageOf(resolve('org/tiny', { revision: '../../x' }))).toMatch(
      /expected a branch, a tag or a commit/,
    );
    expect(await messageOf(resolve('org/tiny', { hub: 'file:///etc' }))).toMatch(
      /hub's address "file:\/\/\/etc" is not valid/,
    );
  });

  it('is the network', async () => {
    await server.close();
    expect(await messageOf(resolve())).toMatch(
      /^there is no folder org\/tiny, and on the hub http:.*: the connection is refused; .*: check the network/,
    );
  });

  it('is an index that leads out of the cache', async () => {
    server.files.delete(`${root}/model.safetensors`);
    const index = { weight_map: { a: '../../outside.safetensors' } };
    server.files.set(`${root}/model.safetensors.index.json`, { bytes: Buffer.from(JSON.stringify(index)) });
    expect(await messageOf(resolve())).toMatch(/weight_map\.a: expected the name of a shard/);
  });
});

it('a folder is taken as it is', async () => {
  expect(await resolve(cache)).toBe(cache);
  expect(server.requests).toEqual([]);
});
