import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { getNumThreads, libtorchVersion, ops, setNumThreads, zeros } from './index.js';

it('starts with as many threads as OMP_NUM_THREADS says, or the machine has', () => {
  expect(getNumThreads()).toBe(Number(process.env.OMP_NUM_THREADS ?? availableParallelism()));
  zeros([1]);
  expect(getNumThreads()).toBe(Number(process.env.OMP_NUM_THREADS ?? availableParallelism()));
});

it('says how many there will be without libtorch', () => {
  const wanted = { LIBTORCH: '/nowhere', OMP_NUM_THREADS: '7' };
  expect(inProcess(wanted, 'getNumThreads()')).toBe('7');
  expect(inProcess({ ...wanted, OMP_THREAD_LIMIT: '3' }, 'getNumThreads()')).toBe('3');
});

/** The settings that a new process takes from its environment. */
function inProcess(environment: NodeJS.ProcessEnv, expression: string): string {
  const url = new URL('./index.js', import.meta.url).href;
  const program = `import { getNumThreads, zeros } from ${JSON.stringify(url)}; console.log(${expression})`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    env: {
      ...process.env,
      OMP_NUM_THREADS: undefined,
      OMP_WAIT_POLICY: undefined,
      GOMP_SPINCOUNT: undefined,
      ...environment,
    },
    encoding: 'utf8',
  }).trim();
}

it('lets waiting threads sleep soon unless told otherwise, and starts no more than OpenMP may', () => {
  const policy = 'zeros([1]) && `${process.env.OMP_WAIT_POLICY} ${process.env.GOMP_SPINCOUNT}`';
  expect(inProcess({}, policy)).toBe('passive 5000');
  expect(inProcess({ OMP_WAIT_POLICY: 'active' }, policy)).toBe('active undefined');
  expect(inProcess({ GOMP_SPINCOUNT: '7' }, policy)).toBe('undefined 7');
  expect(inProcess({ OMP_THREAD_LIMIT: '1' }, 'zeros([1]) && getNumThreads()')).toBe('1');
});

it('sets and checks the number of threads', () => {
  const before = getNumThreads();
  setNumThreads(1);
  expect(getNumThreads()).toBe(1);
  expect(
    ops
      .matmul(zeros([64, 64]), zeros([64, 64]))
      .sum()
      .item(),
  ).toBe(0);
  setNumThreads(before);
  for (const wrong of [0, -1, 1025, 1.5, NaN]) {
    expect(() => {
      setNumThreads(wrong);
    }).toThrow();
  }
  expect(getNumThreads()).toBe(before);
});

it('says which libtorch it is', () => {
  expect(libtorchVersion().version).toMatch(/^\d+\.\d+\.\d+/);
  expect(libtorchVersion().configuration).toContain('OpenMP');
});
