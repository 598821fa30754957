/**
 * `npm run package`: native builds and tarballs of all packages, ready for `npm publish`, in `packed/`.
 *
 *     npm run package                                     with what `make build` has built
 *     npm run package -- --libtorch /opt/libtorch         and compiled against another libtorch; may be repeated
 *     npm run package -- --builds FOLDER                  and builds that were made before, or on other machines
 *     npm run package -- --builds-only --out FOLDER       the builds alone, for `--builds`
 *
 * `--version 0.2.0` and `--repository https://…` are written into the packages; `--no-checkout` leaves out what `make
 * build` has built.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { addBuildFor, addCheckoutBuild, addFinishedBuilds, repository } from './nativeBuilds.js';
import { checkoutVersion, packAll } from './packages.js';

function main(): void {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'packed' },
      version: { type: 'string', default: checkoutVersion() },
      repository: { type: 'string' },
      libtorch: { type: 'string', multiple: true, default: [] },
      builds: { type: 'string', multiple: true, default: [] },
      'builds-only': { type: 'boolean', default: false },
      'no-checkout': { type: 'boolean', default: false },
    },
  });
  const out = resolve(repository, values.out);
  const work = mkdtempSync(join(tmpdir(), 'padnet-builds-'));
  const builds = values['builds-only'] ? out : work;
  try {
    if (!values['no-checkout']) addCheckoutBuild(builds);
    for (const folder of values.libtorch) addBuildFor(resolve(folder), builds);
    for (const folder of values.builds) addFinishedBuilds(resolve(folder), builds);
    if (values['builds-only']) return;
    for (const file of packAll({ builds, out, version: values.version, repository: values.repository }))
      console.log(join(out, file));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  main();
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
