/** Every kind of libtorch that cannot be used is one sentence, never the dynamic linker's. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { linkerReason } from './load.js';
import { chosenLibtorch, nativeFile, nothingFits, resolveLibtorch } from './resolve.js';
import { readSharedLibrary } from './sharedLibrary.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-libtorch-'));
/** The libtorch of this process, and the build that it is used with. */
const { libtorch, build } = chosenLibtorch();

afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A folder of its own with `lib/`, of the given files; a string is their text. */
function libtorchOf(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  const root = join(folder, name);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  }
  return root;
}

/** What was tried with this LIBTORCH, of which nothing fits. */
function triedWith(path: string): readonly string[] {
  vi.stubEnv('LIBTORCH', path);
  const found = resolveLibtorch();
  if (!('tried' in found)) throw new Error(`${found.libtorch.file} fits`);
  return found.tried;
}

describe.skipIf(process.platform !== 'linux')('a libtorch that cannot be used', () => {
  const c10 = readFileSync(libtorch.c10);
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(c10);
    change(bytes);
    return bytes;
  };
  const otherMachine = changed((bytes) => bytes.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18));
  const of32Bits = changed((bytes) => {
    bytes[4] = 1;
    bytes.writeUInt16LE(3, 18);
  });
  const other = process.arch === 'x64' ? 'arm64' : 'x64';
  const whole = { 'lib/libtorch_cpu.so': c10, 'lib/libc10.so': c10 };
  const files: [string, Record<string, string | Buffer>, string][] = [
    ['empty', { 'lib/libtorch_cpu.so': '' }, 'lib/libtorch_cpu.so is empty'],
    ['text', { 'lib/libtorch_cpu.so': 'INPUT(-ltorch)\n' }, 'lib/libtorch_cpu.so is no shared library'],
    [
      'header',
      { 'lib/libtorch_cpu.so': c10.subarray(0, 40) },
      'is cut short: it has 40 bytes and should have at least 64',
    ],
    [
      'short',
      { 'lib/libtorch_cpu.so': c10.subarray(0, 50_000) },
      'is cut short: it has 50000 bytes and should have at',
    ],
    ['machine', { 'lib/libtorch_cpu.so': otherMachine }, `is for ${other}; this Node is for ${process.arch}`],
    ['bits', { 'lib/libtorch_cpu.so': of32Bits }, `is for ia32 in 32 bits; this Node is for ${process.arch}`],
    ['alone', { 'lib/libtorch_cpu.so': c10 }, 'lacks its libc10: there is no '],
    ['half', { 'lib/libtorch_cpu.so': c10, 'lib/libc10.so': c10.subarray(0, 999) }, 'lib/libc10.so is cut short'],
    ['unknown', whole, 'lib/libtorch_cpu.so is not known: neither its name says it, nor version.py, build-version or'],
    ['old', { ...whole, 'version.py': "__version__ = '1.12.1+cpu'\n" }, 'is too old: 1.13 or later is needed'],
    ['other', { ...whole, 'build-version': '2.99.0+cpu\n' }, `has no build that fits it: there are builds for `],
    [
      'named',
      { ...whole, 'version.py': `from typing import Optional\n\n__version__: str = '${build.version}.7'\n` },
      `calls itself ${readSharedLibrary(libtorch.c10).soname!}, and the build for ${build.version} is for one that`,
    ],
    ['none', { 'lib/libother.so': c10 }, ': no libtorch_cpu in it'],
  ];
  it.each(files)('%s', (name, content, sentence) => {
    const tried = triedWith(libtorchOf(name, content));
    expect(tried).toHaveLength(1);
    expect(tried[0]).toContain(sentence);
    expect(tried[0]).toContain(join(folder, name));
  });

  it('that is no folder', () => {
    writeFileSync(join(folder, 'file'), 'text');
    expect(triedWith(join(folder, 'file'))).toEqual([`LIBTORCH=${join(folder, 'file')}: it is no folder`]);
    expect(triedWith('/nowhere')).toEqual(['LIBTORCH=/nowhere: there is no such folder']);
    symlinkSync('/nowhere', join(libtorchOf('dangling', { 'lib/x': '' }), 'lib/libtorch_cpu.so'));
    expect(triedWith(join(folder, 'dangling'))[0]).toMatch(/libtorch_cpu\.so could not be opened: there is no such/);
  });

  it('says all in one line, with the ways out', () => {
    vi.stubEnv('LIBTORCH', '/nowhere');
    const found = resolveLibtorch();
    expect('tried' in found && nothingFits(found)).toBe(
      'no libtorch was found that fits (LIBTORCH=/nowhere: there is no such folder): `npx padnet setup` says what to ' +
        'install and does it, or set LIBTORCH to an unpacked libtorch, or in a checkout run `make build`',
    );
  });
});

describe('a libtorch', () => {
  it('is found by its folder, or by that of its libraries', () => {
    for (const path of [dirname(libtorch.file), dirname(dirname(libtorch.file))]) {
      // Debian has its libraries two folders below /usr.
      vi.stubEnv('LIBTORCH', path === '/usr/lib' ? '/usr' : path);
      expect(resolveLibtorch()).toMatchObject({
        libtorch: { version: libtorch.version },
        build: { addon: build.addon },
      });
    }
  });

  it('is that of a virtual environment, which is not imported', (context) => {
    const root = join(folder, 'environment');
    const python = spawnSync('python3', ['-m', 'venv', '--without-pip', root]);
    context.skip(python.status !== 0, 'there is no Python that makes virtual environments');
    const packages = execFileSync(
      join(root, 'bin/python3'),
      ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
      { encoding: 'utf8' },
    ).trim();
    const torch = join(packages, 'torch');
    mkdirSync(join(torch, 'lib'), { recursive: true });
    writeFileSync(join(torch, '__init__.py'), 'raise SystemExit("imported")\n');
    writeFileSync(join(torch, 'version.py'), "__version__ = '2.99.0'\n");
    for (const name of ['libtorch_cpu.so', 'libc10.so']) cpSync(libtorch.c10, join(torch, 'lib', name));
    // A build for nothing that there is: every place is looked at.
    const own = join(folder, 'ownBuild');
    cpSync(build.addon, join(own, 'torch.node'));
    writeFileSync(join(own, 'libtorch.json'), '{ "version": "1.99" }');
    vi.stubEnv('LIBTORCH', '');
    vi.stubEnv('VIRTUAL_ENV', root);
    vi.stubEnv('PADNET_TORCH_ADDON', join(own, 'torch.node'));
    const found = resolveLibtorch();
    expect('tried' in found && found.tried.join('\n')).toContain(
      `libtorch 2.99.0 in ${join(torch, 'lib/libtorch_cpu.so')} has no build that fits it: there are builds for 1.99`,
    );
  });

  it('has its files', () => {
    expect(basename(nativeFile('loader.node'))).toBe('loader.node');
    const elsewhere = (): string => nativeFile('libpadnet.so', new URL('file:///nowhere/'));
    expect(elsewhere).toThrow(`there is no libpadnet.so in ${build.folder}`);
  });
});

/** Runs a tensor through the addon with other settings; what the process said. */
function loadedWith(env: NodeJS.ProcessEnv): string {
  const url = JSON.stringify(new URL('../index.js', import.meta.url).href);
  const program = `const { zeros, libtorchVersion } = await import(${url});
    try { console.log(zeros([2]).sum().item(), libtorchVersion().version); }
    catch (error) { console.log(error.message); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.trim();
}

/** Copies of the real libraries, changed, by which the dynamic linker is led astray. */
describe.skipIf(process.platform !== 'linux')('a libtorch that is refused when it is loaded', () => {
  const lib = join(folder, 'changed', 'lib');
  const [cpu, c10] = [libtorch.file, libtorch.c10].map((file) => join(lib, basename(file))) as [string, string];

  beforeAll(() => {
    mkdirSync(lib, { recursive: true });
    cpSync(libtorch.c10, c10);
    // What it needs and has beside it, as Python's packages do: CUDA's libraries among them.
    const own = dirname(libtorch.file);
    const needed = readSharedLibrary(libtorch.file).needed.filter((name) => existsSync(join(own, name)));
    for (const name of needed) if (name !== basename(c10)) symlinkSync(join(own, name), join(lib, name));
    const nvidia = join(own, '../../nvidia');
    if (existsSync(nvidia)) symlinkSync(nvidia, join(folder, 'nvidia'));
  });

  /** Writes libtorch_cpu with a name replaced by one of the same length, for linkers and for debuggers. */
  function write(name: string, replaced: string): void {
    const bytes = readFileSync(libtorch.file);
    const first = bytes.indexOf(`\0${name}\0`);
    expect(first).toBeGreaterThan(0);
    for (let at = first; at !== -1; at = bytes.indexOf(`\0${name}\0`, at)) bytes.write(replaced, at + 1, 'latin1');
    writeFileSync(cpu, bytes);
    writeFileSync(join(folder, 'changed', 'version.py'), `__version__ = '${libtorch.version}'\n`);
  }

  it('for a library that is missing', (context) => {
    const needed = readSharedLibrary(libtorch.file).needed.find((name) => /^lib(cupti|XNNPACK|sleef)/.test(name));
    if (needed === undefined) return context.skip('it needs none that is not the system’s');
    const absent = needed.replace(/^lib.../, 'libZZZ');
    write(needed, absent);
    expect(loadedWith({ LIBTORCH: join(folder, 'changed') })).toBe(
      `libtorch ${libtorch.version} could not be loaded: it needs ${absent}, which is not installed or not where it ` +
        'looks for it',
    );
  });

  it('for a function that it lacks', () => {
    write('_ZN2at11show_configB5cxx11Ev', '_ZN2at11shew_configB5cxx11Ev');
    expect(loadedWith({ LIBTORCH: join(folder, 'changed') })).toBe(
      `the addon for libtorch ${build.version} could not be loaded with ${cpu}: torch.node was compiled against ` +
        'another libtorch',
    );
  });

  it('for another version than it says', () => {
    const own = join(folder, 'buildOf2.99');
    const root = join(folder, 'is2.99');
    for (const [from, to] of [
      [build.addon, join(own, 'torch.node')],
      [nativeFile('loader.node'), join(own, 'loader.node')],
      [libtorch.file, join(root, 'lib/libtorch_cpu.so.2.99.0')],
      [libtorch.c10, join(root, 'lib/libc10.so.2.99.0')],
    ] as const) {
      cpSync(from, to);
    }
    writeFileSync(join(own, 'libtorch.json'), '{ "version": "2.99" }');
    expect(loadedWith({ LIBTORCH: root, PADNET_TORCH_ADDON: join(own, 'torch.node') })).toBe(
      `${join(root, 'lib/libtorch_cpu.so.2.99.0')} is libtorch ${libtorch.version}, though what lies around it says ` +
        '2.99.0: unpack one libtorch into a folder of its own',
    );
  });
});

it('is linked with libraries of other versions', () => {
  const said = '/usr/lib/libtorch_cpu.so.2.6: undefined symbol: _ZN4gloo10rendezvous5StoreD2Ev';
  expect(linkerReason(said, '/usr/lib/libtorch_cpu.so.2.6')).toBe(
    'a library that it needs is of another version than it was built with',
  );
});

it.each([
  [
    'libcudart.so.13: cannot open shared object file: No such file or directory',
    'it needs libcudart.so.13, which is not',
  ],
  [
    "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/torch.node)",
    'it needs glibc 2.38, and this system',
  ],
  [
    "libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /x)",
    'it needs a newer libstdc++, and this system',
  ],
  ['/x/torch.node: undefined symbol: _ZN3c105ErrorC1E', 'torch.node was compiled against another libtorch'],
  ['/x/torch.node: cannot allocate memory in static TLS block', 'another library has taken the memory that it needs'],
  ['/x/torch.node: invalid ELF header', '/x/torch.node is damaged, or not for this system'],
])('%s', (said, sentence) => {
  expect(linkerReason(said, '/x/torch.node')).toContain(sentence);
});
