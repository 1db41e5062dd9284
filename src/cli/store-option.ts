/** What `--store` names. Owned here: the words of the command line; what a store checks, it checks itself. */
import { LmdbStore, loadLmdb } from "../store/lmdb-store.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { loadRedis } from "../store/redis/connection.ts";
import type { RedisDurability } from "../store/redis/durability.ts";
import { RedisStore } from "../store/redis/redis-store.ts";
import type { Store } from "../store/store.ts";
import { UsageError } from "./exit.ts";
import { DEFAULT_STORE, KEPT_FORMS } from "./store-forms.ts";

const FORMS = `${KEPT_FORMS}, or memory:`;
const ALONE =
  "a node of the cluster whose replica takes its place without its last writes makes results wrong: add ?durability=replicas, and commits wait for replicas";
const DURABILITIES = "durability is primary, fsynced, replicas (or replicas:N), or replicas:N,fsynced";

export interface NamedStore {
  readonly store: Store;
  /** It forgets everything with this process. */
  readonly forgets: boolean;
  /** What whoever runs a pipeline on it should know. */
  readonly warning?: string;
  /** Many processes can have it open. */
  readonly shared: boolean;
  /** Loads its client, so that opening it has nothing to load. */
  readonly load: () => Promise<unknown>;
}

/** Throws `UsageError`, which never repeats what was given: it may hold a password. */
export function storeOf(text: string): NamedStore {
  const [, scheme = "", rest = ""] = /^([a-z-]+):(.*)$/is.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case "memory":
      if (rest !== "") throw new UsageError("--store memory: takes nothing after the colon");
      return { store: new MemoryStore(), forgets: true, shared: false, load: async () => {} };
    case "lmdb":
      if (rest === "") throw new UsageError(`--store lmdb: needs a directory, as in ${DEFAULT_STORE}`);
      return { store: new LmdbStore(rest), forgets: false, shared: false, load: loadLmdb };
    case "redis":
    case "rediss": {
      const { bare, durability } = withoutOptions(rest, ["durability"]);
      return { store: new RedisStore(bare.startsWith("//") ? `${scheme}:${bare}` : bare, { durability }), forgets: false, shared: true, load: loadRedis };
    }
    case "redis-cluster":
    case "rediss-cluster":
      return clusterOf(scheme.toLowerCase().replace("-cluster", ""), rest);
    default:
      throw new UsageError(`--store is none of ${FORMS}`);
  }
}

/** `//USER:PASSWORD@HOST:PORT,HOST:PORT?domains=N`: user and password, if any, are those of all nodes. */
function clusterOf(scheme: string, rest: string): NamedStore {
  const { bare, durability, domains } = withoutOptions(rest, ["durability", "domains"]);
  const [, credentials = "", nodes] = /^\/\/(.*@)?([^/@]+)\/?$/s.exec(bare) ?? [];
  if (nodes === undefined || nodes.split(",").includes(""))
    throw new UsageError("--store redis-cluster: is a list of nodes, as in redis-cluster://HOST:PORT,HOST:PORT; a cluster has no databases but 0");
  const cluster = nodes.split(",").map((node) => `${scheme}://${credentials}${node}`);
  const store = new RedisStore(domains === undefined ? { cluster } : { cluster, domains }, { durability });
  const named: NamedStore = { store, forgets: false, shared: true, load: loadRedis };
  return durability === "primary" ? { ...named, warning: ALONE } : named;
}

interface Divided {
  /** Whatever is left is what `RedisStore` takes. */
  readonly bare: string;
  readonly durability: RedisDurability;
  readonly domains: number | undefined;
}

/** `own`: the options that are ours; what others are given is told by `RedisStore`. */
function withoutOptions(text: string, own: readonly string[]): Divided {
  // A password has a "?" as %3F only; a path of a socket has none.
  const at = text.lastIndexOf("?");
  const query = new URLSearchParams(at < 0 ? "" : text.slice(at + 1));
  const durability = durabilityOf(query.get("durability"));
  const domains = query.get("domains");
  for (const name of own) query.delete(name);
  const others = query.size === 0 ? "" : `?${query.toString()}`;
  return { bare: at < 0 ? text : `${text.slice(0, at)}${others}`, durability, domains: domains === null ? undefined : Number(domains) };
}

function durabilityOf(text: string | null): RedisDurability {
  if (text === null || text === "primary") return "primary";
  if (text === "fsynced") return "fsynced";
  const [, replicas, fsynced] = /^replicas(?::(\d{1,2}))?(,fsynced)?$/.exec(text) ?? [];
  if (!text.startsWith("replicas") || (replicas === undefined && !/^replicas(,fsynced)?$/.test(text))) throw new UsageError(`--store: ${DURABILITIES}`);
  return { replicas: Number(replicas ?? 1), fsynced: fsynced !== undefined };
}
