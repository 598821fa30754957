/** A real browser for tests of pages, which are skipped where there is none. */
import { existsSync } from 'node:fs';

/** The path of Chromium or Chrome; undefined where neither is installed. */
export const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
