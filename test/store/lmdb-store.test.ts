/** LmdbStore: the conformance suite, and what only it has: its directory, its one process, its files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import { storeConformance } from "./conformance.ts";

storeConformance("lmdb", async () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-lmdb-"));
  const store = new LmdbStore(directory);
  return {
    clock: "ours",
    open: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    reopen: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    dispose: async () => rmSync(directory, { recursive: true }),
  };
});
