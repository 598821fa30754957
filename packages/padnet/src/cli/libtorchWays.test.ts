import { describe, expect, it } from 'vitest';
import type { Build, Libtorch } from '@padnet/torch/libtorch';
import { libtorchWays, type System } from './libtorchWays.js';

const build = (version: string, soname: string): Build => ({
  folder: `/builds/${version}`,
  origin: '@padnet/torch-linux-x64',
  version,
  builtWith: null,
  addon: `/builds/${version}/torch.node`,
  soname,
});
const shipped = [
  build('1.13', 'libtorch_cpu.so.1.13'),
  build('2.6', 'libtorch_cpu.so.2.6'),
  build('2.9', 'libtorch_cpu.so'),
  build('2.15', 'libtorch_cpu.so'),
];
const bare: System = { codename: null, isRoot: true, has: () => false, python: null };
const hasAll = (): boolean => true;
const commands = (system: System, builds = shipped, libtorches: readonly Libtorch[] = []): string[] =>
  libtorchWays({ libtorches, builds }, system).map(({ commands: lines }) => lines.at(-1)!.join(' '));

describe('the ways to a libtorch', () => {
  it('are apt-get where its version has a build, as root or by sudo', () => {
    const apt = 'apt-get install --yes --no-install-recommends';
    expect(commands({ ...bare, codename: 'bookworm', has: hasAll })).toEqual([
      `${apt} libtorch1.13 libopenblas0-pthread`,
    ]);
    expect(commands({ ...bare, codename: 'trixie', has: hasAll, isRoot: false })).toEqual([
      `sudo ${apt} libtorch2.6 libopenblas0-pthread`,
    ]);
    expect(commands({ ...bare, codename: 'trixie', has: (name) => name !== 'sudo', isRoot: false })).toEqual([]);
    expect(commands({ ...bare, codename: 'trixie', has: hasAll }, shipped.slice(2))).toEqual([]);
    expect(commands({ ...bare, codename: 'questing', has: hasAll })).toEqual([]);
  });

  it('are the newest of PyPI that has a build, in a virtual environment', () => {
    expect(commands({ ...bare, python: 'python3' })).toEqual([
      expect.stringMatching(/padnet\/python\/bin\/python3 -m pip install torch==2\.15\.\* --extra-index-url https:/),
    ]);
    expect(commands({ ...bare, python: 'python3' }, shipped.slice(0, 2))).toEqual([]);
  });

  it('are none where there is neither', () => {
    expect(commands(bare)).toEqual([]);
    expect(commands({ ...bare, codename: 'bookworm', has: hasAll, python: 'python3' }, [])).toEqual([]);
  });
});
