import { InputError } from '../errors.js';

/** The folder's address. @throws InputError where it is none of a web server */
export function folderUrl(source: string | URL, base?: string): URL {
  let url: URL;
  try {
    url = new URL(source, base);
  } catch (cause) {
    throw new InputError(`${String(source)} is no address; give that of an exported network`, { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new InputError(`${url.href}: expected an address that starts with http: or https:`);
  if (url.username !== '' || url.password !== '')
    throw new InputError(
      `the address of ${url.host} has a name or a password, which fetch does not take; leave it out`,
    );
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
