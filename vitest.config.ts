/**
 * Tests run in processes of their own (real servers, files and signals), few at a time: many of them start a
 * redis-server each and measure nothing of the machine but whether it answers.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/built.ts",
    pool: "forks",
    // One more than there are cores: a third of the time they wait for processes that end, leases that run out, files that grow.
    maxWorkers: Math.min(availableParallelism() + 1, 5),
    // Nothing is timed: these only end what hangs, also where other work has the machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000, interval: 5 } },
    teardownTimeout: 10_000,
    allowOnly: false,
  },
});
