import { defineConfig } from 'vitest/config';

const root = `${import.meta.dirname}/../..`;

/** One project a suite, so that `npx vitest --project e2e` runs one alone. */
const suite = (name: string, timeoutMs: number, extra: object = {}) => ({
  test: { name, root, include: [`test/${name}/**/*.test.ts`], testTimeout: timeoutMs, hookTimeout: 120_000, ...extra },
});

export default defineConfig({
  root,
  test: {
    // More than the cores of the smallest machine: many tests only wait, for Postfix or for a time to pass. The whole
    // proof also measures.
    maxWorkers: process.env['POSTERN_PROOF'] === 'whole' ? 2 : 3,
    // Tests start the command line hundreds of times.
    env: { NODE_COMPILE_CACHE: `${root}/node_modules/.cache/postern-tests` },
    projects: [
      suite('unit', 10_000),
      suite('property', 60_000),
      suite('golden', 10_000),
      suite('contract', 30_000),
      suite('integration', 60_000),
      suite('e2e', 120_000, { pool: 'forks' }),
    ],
    coverage: {
      provider: 'v8',
      include: ['src/{mail,dkim,wire,settings,operator,snapshot,decide,answers}/**/*.ts'],
    },
  },
});
