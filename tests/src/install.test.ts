/** The packages as users get them: tarballs, installed in an empty project without compiler and CMake. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { cpSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Finished } from './padnetProcess.js';
import { root } from './projectFiles.js';
import { writeTinyProject } from './tinyProject.js';

const isLong = process.env.PADNET_LONG_TESTS === '1';
/** Another libtorch than the one that was built with, such as the `torch` folder of a Python. */
const second = process.env.PADNET_TEST_LIBTORCH ?? '';
/** Builds for it that `npm run package -- --builds-only` has made; else they are compiled here, in a few minutes. */
const secondBuilds = process.env.PADNET_TEST_BUILDS ?? '';

const folder = mkdtempSync(join(tmpdir(), 'padnet-install-'));
const [project, packed, bin] = ['project', 'packed', 'bin'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
const platform = `@padnet/torch-${process.platform}-${process.arch}`;
/** Why the tarballs could not be installed, where that is the network's fault. */
let unreachable: string | null = null;
let installSeconds = 0;

function run(program: string, parameters: readonly string[], env: NodeJS.ProcessEnv, cwd = project): Promise<Finished> {
  // Whatever libtorch the tests themselves are run with.
  const unset = { PADNET_TORCH_ADDON: undefined, PADNET_LIBRARY: undefined, LIBTORCH: undefined };
  const whole = { ...process.env, ...unset, ...env };
  const child = spawn(program, parameters, { cwd, env: whole, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** `npx` with nothing on the PATH but Node and a shell. */
function npx(parameters: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return run('npx', ['--no', ...parameters], { XDG_DATA_HOME: join(folder, 'data'), PATH: bin, ...env });
}

function skipUnreachable(context: TestContext): void {
  context.skip(unreachable !== null, `the packages' dependencies could not be installed: ${unreachable ?? ''}`);
}

beforeAll(async () => {
  mkdirSync(bin);
  for (const name of ['node', 'npm', 'npx', 'sh']) {
    const found = (process.env.PATH ?? '')
      .split(delimiter)
      .map((place) => join(place, name))
      .find(existsSync);
    symlinkSync(realpathSync(found!), join(bin, name));
  }
  const builds = secondBuilds !== '' ? ['--builds', secondBuilds] : second !== '' ? ['--libtorch', second] : [];
  const made = await run('node', [join(root, 'packaging/dist/main.js'), '--out', packed, ...builds], {}, folder);
  expect(made.code, made.stderr).toBe(0);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
  writeTinyProject(project);
  const tarballs = readdirSync(packed).map((name) => join(packed, name));
  const start = performance.now();
  // No lifecycle script may be needed; npm on the bare PATH could run none that compiles.
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=1'];
  const installed = await run('npm', ['install', ...options, ...tarballs], { PATH: bin });
  installSeconds = (performance.now() - start) / 1000;
  if (installed.code === 0) return;
  unreachable = /E(?:NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH)/.exec(installed.stderr)?.[0] ?? null;
  if (unreachable === null) throw new Error(installed.stderr);
}, 600_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const timeout = isLong ? 600_000 : 120_000;

describe.runIf(process.platform === 'linux')('the installed packages', { timeout }, () => {
  it('are all of one version, with what they need', (context) => {
    skipUnreachable(context);
    const manifest = (name: string): { version: string; [key: string]: unknown } =>
      JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8')) as { version: string };
    const { version } = manifest('padnet');
    for (const name of ['@padnet/torch', '@padnet/runtime', '@padnet/site', platform])
      expect(manifest(name).version).toBe(version);
    expect(manifest('@padnet/torch').optionalDependencies).toMatchObject({ '@padnet/torch-linux-x64': version });
    expect(manifest(platform)).toMatchObject({ os: ['linux'], cpu: [process.arch], libc: ['glibc'] });
    const hasDist = existsSync(join(root, 'packages/torch/build/libdist.so'));
    const native = ['loader.node', 'torch.node', 'libpadnet.so', ...(hasDist ? ['libdist.so'] : [])];
    for (const build of readdirSync(join(project, 'node_modules', platform), { withFileTypes: true })) {
      if (!build.isDirectory()) continue;
      const files = join(build.parentPath, build.name);
      for (const name of [...native, 'libtorch.json']) {
        const bytes = readFileSync(join(files, name));
        expect(bytes.includes(root.replace(/\/$/, '')), `${name} names the checkout`).toBe(false);
        if (name.endsWith('json')) continue;
        const { stdout } = spawnSync('readelf', ['--dynamic', join(files, name)], { encoding: 'utf8' });
        expect(stdout).toContain('NEEDED');
        expect(stdout).not.toMatch(/R(UN)?PATH/);
      }
    }
  });

  it('hide no compiler', () => {
    for (const name of ['c++', 'g++', 'cc', 'gcc', 'clang', 'cmake', 'make', 'python3'])
      expect(existsSync(join(bin, name))).toBe(false);
  });

  it.runIf(isLong)('are there within a minute', (context) => {
    skipUnreachable(context);
    expect(installSeconds).toBeLessThan(60);
  });

  const libtorches: [string, string][] = [
    ['the libtorch of the system', ''],
    ...(second === '' ? [] : [[second, second] as [string, string]]),
  ];
  describe.each(libtorches)('with %s', (_, libtorch) => {
    it('have a doctor that finds it', async (context) => {
      skipUnreachable(context);
      const { code, stdout, stderr } = await npx(
        ['padnet', 'doctor', '--json'],
        libtorch === '' ? {} : { LIBTORCH: libtorch },
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const { findings } = JSON.parse(stdout) as {
        findings: { subject: string; level: string; found: string; values: Record<string, string> }[];
      };
      const found = (subject: string) => findings.find((finding) => finding.subject === subject)!;
      const { level, values } = found('libtorch');
      expect(level).toBe('ok');
      expect(values.build).toBe(realpathSync(join(project, 'node_modules', platform, values.builtFor!)));
      expect(values.version!.startsWith(`${values.builtFor!}.`)).toBe(true);
      if (libtorch !== '') expect(values.file!.startsWith(realpathSync(libtorch))).toBe(true);
      expect(found('compiler')).toMatchObject({
        level: 'ok',
        found: 'no C++ compiler; no CMake; not needed: the addon is built',
      });
    });

    it('train, with a partition', async (context) => {
      skipUnreachable(context);
      const parameters = ['padnet', 'train', 'recipe.yaml', '--out', 'run', '--force'];
      const { code, stdout, stderr } = await npx(parameters, libtorch === '' ? {} : { LIBTORCH: libtorch });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('30.0 % of the entries are dynamic');
      expect(stdout).toMatch(/finished: test accuracy [\d.]+ % after/);
    });
  });

  it('can all be imported', async (context) => {
    skipUnreachable(context);
    const entries = ['padnet', 'padnet/data', 'padnet/report', 'padnet/export', '@padnet/torch', '@padnet/runtime'];
    const program = `for (const entry of ${JSON.stringify(entries)})
      console.log(Object.keys(await import(entry)).length > 1);`;
    const { stdout } = await run('node', ['--input-type=module', '-e', program], { PATH: bin });
    expect(stdout).toBe('true\n'.repeat(entries.length));
  });

  // Declarations are checked too: TypeScript leaves out those of packages only where it is told to.
  it.for([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ] as const)('have types, with moduleResolution %s', async ([moduleResolution, module], context) => {
    skipUnreachable(context);
    cpSync(join(root, 'tests/src/installedTypes.ts'), join(project, 'installedTypes.ts'));
    const compilerOptions = {
      strict: true,
      module,
      moduleResolution,
      target: 'es2022',
      noEmit: true,
      skipLibCheck: false,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['installedTypes.ts'] }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { code, stdout } = await run('node', [compiler, '-p', '.'], {});
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('say what to do where the builds of the platform are not installed', async (context) => {
    skipUnreachable(context);
    const builds = join(project, 'node_modules', platform);
    cpSync(builds, join(folder, 'aside'), { recursive: true });
    rmSync(builds, { recursive: true });
    try {
      const { code, stderr } = await npx(['padnet', 'train', 'recipe.yaml', '--out', 'run2']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^padnet: no libtorch was found that fits \(.*\): `npx padnet setup` says .*\n$/);
      expect(stderr).toContain(`${platform} is not installed`);
      // What is compiled then from the sources in the packages is as good.
      if (!isLong) return;
      const data = { XDG_DATA_HOME: join(folder, 'compiled') };
      const everything = { PATH: process.env.PATH, ...data };
      const setup = await npx(['padnet', 'setup', '--with', 'compile', '--yes'], everything);
      expect(setup.code, setup.stderr).toBe(0);
      expect(setup.stdout).toMatch(/\nready: libtorch .*: padnet setup\n$/);
      const trained = await npx(['padnet', 'train', 'recipe.yaml', '--out', 'run3'], data);
      expect(trained).toMatchObject({ code: 0, stderr: '' });
    } finally {
      cpSync(join(folder, 'aside'), builds, { recursive: true });
    }
  });
});
