import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder of what is kept between runs: `$PADNET_CACHE`, else ~/.cache/padnet. */
export function cacheFolder(): string {
  const given = process.env.PADNET_CACHE?.trim() ?? '';
  return given === '' ? join(homedir(), '.cache', 'padnet') : given;
}
