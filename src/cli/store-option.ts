/** What `--store` names. Owned here: the words of the command line; what a store checks, it checks itself. */
import { LmdbStore, loadLmdb } from "../store/lmdb-store.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { loadRedis } from "../store/redis/connection.ts";
import { RedisStore } from "../store/redis/redis-store.ts";
import type { Store } from "../store/store.ts";
import { UsageError } from "./exit.ts";

/** Under the working directory; each pipeline has a directory of its name in it. */
export const DEFAULT_STORE = "lmdb:.millrace";

const FORMS = "lmdb:DIRECTORY, redis://HOST:PORT/DB (rediss:// for TLS, redis:/PATH for a socket), or memory:";

export interface NamedStore {
  readonly store: Store;
  /** It forgets everything with this process. */
  readonly forgets: boolean;
  /** Many processes can have it open. */
  readonly shared: boolean;
  /** Loads its client, so that opening it has nothing to load. */
  readonly load: () => Promise<unknown>;
}

/** Throws `UsageError`, which never repeats what was given: it may hold a password. */
export function storeOf(text: string): NamedStore {
  const [, scheme = "", rest = ""] = /^([a-z]+):(.*)$/is.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case "memory":
      if (rest !== "") throw new UsageError("--store memory: takes nothing after the colon");
      return { store: new MemoryStore(), forgets: true, shared: false, load: async () => {} };
    case "lmdb":
      if (rest === "") throw new UsageError(`--store lmdb: needs a directory, as in ${DEFAULT_STORE}`);
      return { store: new LmdbStore(rest), forgets: false, shared: false, load: loadLmdb };
    case "redis":
    case "rediss":
      return { store: new RedisStore(rest.startsWith("//") ? text : rest), forgets: false, shared: true, load: loadRedis };
    default:
      throw new UsageError(`--store is none of ${FORMS}`);
  }
}
