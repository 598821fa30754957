import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openBlasCore } from './openBlas.js';

const avx512 = 'fpu fma avx avx2 avx512f avx512dq avx512cd avx512bw avx512vl';
const cpu = (vendor: string, family: number, model: number, flags: string): string =>
  `processor\t: 0\nvendor_id\t: ${vendor}\ncpu family\t: ${family}\nmodel\t\t: ${model}\nmodel name\t: X\n` +
  `flags\t\t: ${flags}\n`;

describe('openBlasCore', () => {
  it('says what models can do that OpenBLAS may not know', () => {
    expect(openBlasCore(cpu('GenuineIntel', 6, 207, avx512))).toBe('SkylakeX');
    expect(openBlasCore(cpu('GenuineIntel', 19, 1, avx512))).toBe('SkylakeX');
    expect(openBlasCore(cpu('GenuineIntel', 6, 190, 'fpu fma avx avx2'))).toBe('Haswell');
  });

  it('leaves it to choose for the others', () => {
    expect(openBlasCore(cpu('GenuineIntel', 6, 106, avx512))).toBeNull();
    expect(openBlasCore(cpu('AuthenticAMD', 25, 1, 'fpu fma avx avx2'))).toBeNull();
    expect(openBlasCore(cpu('GenuineIntel', 6, 207, 'fpu sse2'))).toBeNull();
    expect(openBlasCore('')).toBeNull();
  });

  it.runIf(existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes('avx2'))(
    'keeps OpenBLAS from the kernels of a processor without AVX',
    () => {
      const index = fileURLToPath(new URL('./index.js', import.meta.url));
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', `await import('${index}')`],
        { env: { ...process.env, OPENBLAS_CORETYPE: undefined, OPENBLAS_VERBOSE: '2' }, encoding: 'utf8' },
      );
      expect(status).toBe(0);
      expect(stderr).not.toContain('Prescott');
    },
  );
});
