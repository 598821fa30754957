/**
 * The instruction sets that a processor can be asked for: environments in which libtorch, oneDNN, OpenBLAS and our own
 * kernels all use one of them. A process has to be started in them. On a processor without a set, the best that it has
 * is used.
 */
export const instructionSets = {
  avx512: { PADNET_ISA: 'avx512' },
  avx2: {
    PADNET_ISA: 'avx2',
    ATEN_CPU_CAPABILITY: 'avx2',
    DNNL_MAX_CPU_ISA: 'AVX2',
    ONEDNN_MAX_CPU_ISA: 'AVX2',
    OPENBLAS_CORETYPE: 'Haswell',
  },
  portable: {
    PADNET_ISA: 'portable',
    ATEN_CPU_CAPABILITY: 'default',
    DNNL_MAX_CPU_ISA: 'SSE41',
    ONEDNN_MAX_CPU_ISA: 'SSE41',
    OPENBLAS_CORETYPE: 'Nehalem',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type InstructionSet = keyof typeof instructionSets;
