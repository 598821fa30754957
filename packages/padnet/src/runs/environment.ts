/** The hardware and software that a result was measured with: stored beside it, shown in reports. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { getNumThreads, libtorchVersion } from '@padnet/torch';
import { z } from 'zod';
import { readJson } from '../jsonFile.js';

const environmentSchema = z.object({
  /** ISO 8601. */
  date: z.string(),
  node: z.string(),
  libtorch: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: z.number(),
  threads: z.number(),
  /** Bytes. */
  memory: z.number(),
  /** The commit of the working folder, where it is a git checkout; `+` where files differ from it. */
  commit: z.string().nullable(),
});
export type Environment = z.infer<typeof environmentSchema>;

/** Whether a file is what training writes beside a recipe. */
export function isEnvironment(file: string): boolean {
  try {
    readEnvironment(file);
    return true;
  } catch {
    return false;
  }
}

/** @throws InputError where it is missing or damaged */
export function readEnvironment(file: string): Environment {
  return readJson(file, environmentSchema, {
    expected: 'what training wrote about its machine',
    wayOut: 'restore it from a copy, or delete it',
  });
}

export function describeEnvironment(): Environment {
  return {
    date: new Date().toISOString(),
    node: process.version,
    libtorch: libtorchVersion().version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    threads: getNumThreads(),
    memory: totalmem(),
    commit: currentCommit(),
  };
}

function currentCommit(): string | null {
  const git = (...parameters: string[]): string =>
    execFileSync('git', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 }).trim();
  try {
    return (
      git('rev-parse', '--short=10', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
    );
  } catch {
    return null; // no git, or no checkout
  }
}
