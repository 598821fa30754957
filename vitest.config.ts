import { defineConfig } from 'vitest/config';

// Tests run on the compiled packages, as users get them: worker threads and the native addon load from the same paths.
export default defineConfig({
  test: {
    include: ['packages/*/dist/**/*.test.js', 'tests/dist/**/*.test.js'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
