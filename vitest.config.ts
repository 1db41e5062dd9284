/**
 * Tests run in processes of their own (real servers, files and signals), few at a time: many of them start a
 * redis-server each and measure nothing of the machine but whether it answers.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig, type Plugin } from "vitest/config";

const ROOT = fileURLToPath(new URL(".", import.meta.url));
const BUILT = join(ROOT, ".build");

/**
 * What tests import of the project is what `npm run tools` makes of it before they begin, loaded by Node itself: each
 * process of tests would have to transform hundreds of sources, and what comes of that runs at a quarter of the speed.
 * Whoever watches gets the sources as they are at the moment.
 */
function asBuilt(): Plugin {
  let watching = false;
  return {
    name: "as-built",
    enforce: "pre",
    configureVitest: ({ vitest }) => {
      watching = vitest.config.watch;
    },
    resolveId(source, importer) {
      if (watching || !source.startsWith(".") || importer === undefined || !source.endsWith(".ts")) return undefined;
      const path = resolve(importer, "..", source);
      const inside = relative(ROOT, path);
      if (inside.startsWith("..") || inside.startsWith("test/") || !existsSync(path)) return undefined;
      const built = join(BUILT, inside.replace(/\.ts$/, ".js"));
      return existsSync(built) ? built : undefined;
    },
  };
}

/** What changes its process, or is disturbed by what others left there. All others share processes, which load the project once. */
const ALONE = ["bench", "chaos", "fuzz", "opentelemetry", "simulation"].map((part) => `test/${part}/**/*.test.ts`);

/** Takes all cores for minutes, so it runs when all others have ended. */
const LAST = ["test/simulation/campaign.test.ts"];

export default defineConfig({
  plugins: [asBuilt()],
  test: {
    // Loaded by Node as it is.
    server: { deps: { external: [/\/\.build\//] } },
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
    projects: [
      { extends: true, test: { name: "alone", include: ALONE, exclude: [...configDefaults.exclude, ...LAST] } },
      { extends: true, test: { name: "together", include: ["test/**/*.test.ts"], exclude: [...configDefaults.exclude, ...ALONE], isolate: false } },
      { extends: true, test: { name: "last", include: LAST, sequence: { groupOrder: 1 } } },
    ],
  },
});
