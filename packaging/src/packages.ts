/** The packages as npm gets them: what is in the checkout, with one version, and a package of builds for a platform. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage } from '@padnet/torch/libtorch';
import { repository, run } from './nativeBuilds.js';

/** Platforms that a package of builds can be made for, each on itself. */
export const platforms = [
  { os: 'linux', cpu: 'x64' },
  { os: 'linux', cpu: 'arm64' },
  { os: 'darwin', cpu: 'arm64' },
] as const;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
}

const read = (file: string): Manifest => JSON.parse(readFileSync(file, 'utf8')) as Manifest;

/** The version that the checkout's packages have. */
export function checkoutVersion(): string {
  return read(join(repository, 'packages/padnet/package.json')).version;
}

export interface Release {
  readonly version: string;
  /** Address of the repository, which npm's provenance compares with where the packages were made. */
  readonly repository?: string | undefined;
}

/**
 * Packs everything into tarballs.
 *
 * @param builds folder of native builds, each in a folder of its own
 * @returns file names in `out`, in the order in which they are to be published
 */
export function packAll({
  builds,
  out,
  ...release
}: Release & { readonly builds: string; readonly out: string }): string[] {
  mkdirSync(out, { recursive: true });
  const stage = mkdtempSync(join(tmpdir(), 'padnet-packages-'));
  try {
    const platform = stagePlatform(builds, join(stage, 'platform'), release);
    const staged = ['runtime', 'site', 'torch', 'padnet'].map((name) => stagePackage(name, join(stage, name), release));
    const folders = [platform, ...staged];
    const packed = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', out, ...folders])) as {
      filename: string;
    }[];
    // Scoped names stand there with a slash in some versions of npm.
    return packed.map(({ filename }) => filename.replace('@', '').replace('/', '-'));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** `@padnet/torch-linux-x64` and its like, for the platform that this runs on. */
function stagePlatform(builds: string, folder: string, release: Release): string {
  const { platform: os, arch: cpu } = process;
  if (!platforms.some((one) => one.os === os && one.cpu === cpu)) {
    const known = platforms.map((one) => `${one.os}-${one.cpu}`).join(', ');
    throw new Error(`packages of builds are made for ${known}; this is ${os}-${cpu}`);
  }
  const versions = readdirSync(builds);
  cpSync(builds, folder, { recursive: true });
  cpSync(join(repository, 'LICENSE'), join(folder, 'LICENSE'));
  const manifest = {
    name: buildPackage(),
    ...published(release),
    description: `@padnet/torch compiled for ${os}-${cpu} and libtorch ${versions.join(', ')}`,
    license: 'MIT',
    os: [os],
    cpu: [cpu],
    ...(os === 'linux' && { libc: ['glibc'] }),
    files: versions,
  };
  writeManifest(folder, manifest);
  return folder;
}

function stagePackage(name: string, folder: string, release: Release): string {
  const source = join(repository, 'packages', name);
  const manifest = read(join(source, 'package.json'));
  mkdirSync(folder);
  for (const file of [...manifest.files.filter((pattern) => !pattern.startsWith('!')), 'README.md']) {
    const from = join(source, file);
    if (existsSync(from)) cpSync(from, join(folder, file), { recursive: true });
  }
  cpSync(join(repository, 'LICENSE'), join(folder, 'LICENSE'));
  const own = (dependencies: Readonly<Record<string, string>> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(dependencies).map(([key, range]) => [key, key.startsWith('@padnet/') ? release.version : range]),
    );
  writeManifest(folder, {
    ...manifest,
    ...published(release),
    scripts: undefined,
    devDependencies: undefined,
    dependencies: own(manifest.dependencies),
    // Not in the checkout, which has its own builds: npm would look for them there.
    ...(name === 'torch' && {
      optionalDependencies: Object.fromEntries(
        platforms.map(({ os, cpu }) => [buildPackage(os, cpu), release.version]),
      ),
    }),
  });
  return folder;
}

function published({ version, repository: address }: Release): object {
  return { version, ...(address !== undefined && { repository: { type: 'git', url: `git+${address}.git` } }) };
}

function writeManifest(folder: string, manifest: object): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
