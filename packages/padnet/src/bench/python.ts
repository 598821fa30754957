/** Plain libtorch driven from Python, where there is one: what our static networks are measured against. Never needed. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Debian's Python, which `python3-torch` belongs to. */
export const systemPython = '/usr/bin/python3';

/** Answers as `networkChild.ts`. */
export const referenceProgram = fileURLToPath(new URL('../../bin/reference_network.py', import.meta.url));

/** The version of a Python's torch or torchvision; null where it has none. */
export function pythonVersion(python: string, module: 'torch' | 'torchvision'): string | null {
  try {
    return execFileSync(python, ['-c', `import ${module}; print(${module}.__version__)`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    }).trim();
  } catch {
    return null; // no such Python, or it has no such module
  }
}
