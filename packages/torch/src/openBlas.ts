/**
 * OpenBLAS knows processors by their models, and takes those that it does not know for a Pentium 4: with Debian 12's
 * 0.3.21 a matrix product on an Intel Xeon of 2023 then takes five times as long. Models that it may not know are told
 * by what they can do.
 *
 * @param cpuinfo what `/proc/cpuinfo` says
 * @returns a value for `OPENBLAS_CORETYPE`; null where OpenBLAS is left to choose
 */
export function openBlasCore(cpuinfo: string): 'SkylakeX' | 'Haswell' | null {
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(cpuinfo)?.[1] ?? '';
  const isKnown = field('cpu family') === '6' && Number(field('model')) < newestKnown;
  if (field('vendor_id') !== 'GenuineIntel' || isKnown) return null;
  const flags = new Set(field('flags').split(' '));
  const has = (...names: readonly string[]): boolean => names.every((name) => flags.has(name));
  if (has('avx512f', 'avx512cd', 'avx512bw', 'avx512dq', 'avx512vl')) return 'SkylakeX';
  return has('avx2', 'fma') ? 'Haswell' : null;
}

/** From here on models may be unknown; the known ones among them get what they get anyway. */
const newestKnown = 0xa0;
