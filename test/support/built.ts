/**
 * The programs that tests start in processes of their own, as JavaScript: built once, before all tests (`globalSetup` of
 * vitest.config.ts). To load them from their sources would take each process longer than what it is there for.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Called by Vitest. Throws where the sources do not compile; what is wrong with them has been printed. */
export default function build(): void {
  // A test that starts Vitest: nothing has changed since the tests began.
  if (process.env["MILLRACE_BUILT"] !== undefined) return;
  process.env["MILLRACE_BUILT"] = "yes";
  execFileSync("npm", ["run", "--silent", "tools"], { cwd: ROOT, stdio: "inherit" });
}

/** Where a source of the repository is, built: `built("src/cli/main.ts")`. */
export const built = (source: string): string => join(ROOT, ".build", source.replace(/\.ts$/, ".js"));
