#!/usr/bin/env node
/// <reference types="node" />
// Pictures are decoded in Node's thread pool, whose size counts only if it is set before anything is imported. That is why this
// file is CommonJS (package.json beside it): an ES module is read by the pool.
const { availableParallelism } = process.getBuiltinModule('node:os');
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));

void import('../dist/cli/main.js').then(({ main }) => main());
