/** MemoryStore: the conformance suite, and what only it has. */
import { MemoryStore } from "../../src/store/memory-store.ts";
import { storeConformance } from "./conformance.ts";

storeConformance("memory", async () => {
  const store = new MemoryStore();
  return {
    clock: "ours",
    open: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    reopen: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    dispose: async () => {},
  };
});
