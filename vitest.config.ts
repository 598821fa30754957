import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Dozens of processes against each other and the system: `npm run test:hostile`. */
const hostile = process.env.PADNET_HOSTILE_TESTS === '1' ? [] : ['tests/dist/hostile/**'];

// Tests run on the compiled packages, as users get them: worker threads and the native addon load from the same paths.
export default defineConfig({
  test: {
    pool: 'forks',
    // Files run side by side: more threads than cores would wait for each other.
    // Plans are chosen by the default rates, whatever has been measured here.
    env: { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PADNET_CACHE: join(tmpdir(), 'padnet-no-cache') },
    // One more than the machines that run them have: many wait for processes, servers and browsers.
    maxWorkers: 3,
    // Files share a process: each would load libtorch anew, a sixth of the suite's time. Those of @padnet/torch see
    // libtorch as it is, without what padnet adds to it.
    isolate: false,
    projects: [
      { extends: true, test: { name: 'torch', include: ['packages/torch/dist/**/*.test.js'] } },
      { extends: true, test: { name: 'runtime', include: ['packages/runtime/dist/**/*.test.js'] } },
      { extends: true, test: { name: 'padnet', include: ['packages/padnet/dist/**/*.test.js'] } },
      { extends: true, test: { name: 'tests', include: ['tests/dist/**/*.test.js'], exclude: hostile } },
    ],
    // What is tested is loaded by Node, as users load it.
    server: { deps: { external: [/\/(packages|tests|benchmarks)\/.*(?<!\.test)\.js$/] } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
