/** One request to a hub, redirects followed; the hub's token goes to no other host. */
import { InputError } from '../../../errors.js';

export interface Hub {
  /** Such as https://huggingface.co */
  readonly endpoint: URL;
  /** null: only what everybody may read. */
  readonly token: string | null;
  readonly signal: AbortSignal | null;
}

/** The hash that the bytes of a file must have. */
export interface Checksum {
  /** `gitBlob`: SHA-1 as git computes it. */
  readonly kind: 'sha256' | 'gitBlob';
  readonly hex: string;
}

export interface HubResponse {
  readonly response: Response;
  /** null where the hub does not say. */
  readonly checksum: Checksum | null;
  /** The commit that the file is of; null where the hub does not say. */
  readonly commit: string | null;
}

const maxRedirects = 10;

/**
 * Sends GET for `url`. Headers about the content are read from the hub's own answers, not from the hosts it sends us
 * to.
 */
export async function requestFile(hub: Hub, url: URL, headers: Readonly<Record<string, string>>): Promise<HubResponse> {
  let current = url;
  let checksum: Checksum | null = null;
  let commit: string | null = null;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const atHub = current.origin === hub.endpoint.origin;
    const response = await fetch(current, {
      headers: {
        ...headers,
        // Ranges and sizes count the bytes of the file, not of a compressed form of it.
        'accept-encoding': 'identity',
        ...(atHub && hub.token !== null && { authorization: `Bearer ${hub.token}` }),
      },
      redirect: 'manual',
      signal: hub.signal,
    });
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (atHub) {
      const etag = response.headers.get('x-linked-etag') ?? (location === null ? response.headers.get('etag') : null);
      checksum = parseChecksum(etag) ?? checksum;
      commit = /^[0-9a-f]{40}$/.exec(response.headers.get('x-repo-commit') ?? '')?.[0] ?? commit;
    }
    if (location === null) return { response, checksum, commit };
    await response.body?.cancel();
    current = nextUrl(location, current);
  }
  throw new InputError(`${url.href}: more than ${maxRedirects} redirects; check the hub's address`);
}

function nextUrl(location: string, from: URL): URL {
  const next = new URL(location, from);
  const safe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:');
  if (!safe) throw new InputError(`${from.href}: redirects to ${next.protocol}//${next.host}, which is not safe`);
  return next;
}

/** Large files have their SHA-256 as ETag, small ones git's SHA-1. */
function parseChecksum(etag: string | null): Checksum | null {
  const hex = /^(?:W\/)?"?([0-9a-f]+)"?$/.exec(etag ?? '')?.[1] ?? '';
  if (hex.length === 64) return { kind: 'sha256', hex };
  return hex.length === 40 ? { kind: 'gitBlob', hex } : null;
}
