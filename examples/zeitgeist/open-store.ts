/** The store that a run keeps its data in, by what the command line calls it. */
import { LmdbStore, MemoryStore, RedisStore, type Store } from "../../src/index.ts";
import { storePath } from "./conversation.ts";

export function openStore(store: string, directory: string): Store {
  if (store === "memory") return new MemoryStore();
  return store === "lmdb" ? new LmdbStore(storePath(directory)) : new RedisStore(store);
}
