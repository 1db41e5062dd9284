/**
 * Is this server one that Millrace can keep its data in? Reads what INFO says; asks nothing of the server, least of
 * all CONFIG, which is often forbidden: what only that tells is judged here where a caller cannot do without. Each
 * refusal is one sentence that says what to do.
 */

/** What INFO says of a server, as far as it matters here. */
export interface ServerFacts {
  /** "Redis 7.0.15", "Valkey 8.0.1". */
  readonly name: string;
  /** Another server, or the same one restarted or failed over: what was read before may be gone. */
  readonly identity: string;
  /** Does it keep an append-only file? Without one, a crash loses what came after the last snapshot. */
  readonly appendOnlyFile: boolean;
  /**
   * Has it read its append-only file when it was started, and not written it anew since? A server that is killed while it
   * appends a transaction, as every script is one, may leave half of it at the end. It does not apply that half then, but
   * leaves it begun (Redis 7.0 at least; Valkey before its pull request 4342): what it appends from now on is read as the rest
   * of it at the next start, and the half takes effect too, or all that came after is lost. A new file has nothing of that.
   */
  readonly rewriteIsDue: boolean;
  /** Has it WAITAOF? */
  readonly waitsForFsync: boolean;
  /** Does it follow another server, and take no writes? */
  readonly replica: boolean;
  /** Why it cannot be used; undefined: it can. */
  readonly refusal: string | undefined;
  /** The same for who only reads: a replica will do, and memory policy is no matter. */
  readonly refusalToRead: string | undefined;
}

/** `wanted`: is it to be a node of a cluster, or a server of its own? */
export function readServerFacts(info: string, wanted: "server" | "node" = "server"): ServerFacts {
  const field = fieldsOf(info);
  const valkey = field.get("valkey_version");
  const name = valkey === undefined ? `Redis ${field.get("redis_version") ?? "of an unknown version"}` : `Valkey ${valkey}`;
  return {
    name,
    identity: `${field.get("run_id") ?? ""} ${field.get("master_replid") ?? ""}`,
    appendOnlyFile: field.get("aof_enabled") === "1",
    rewriteIsDue: isRewriteDue(field),
    waitsForFsync: valkey !== undefined || !isBefore(field.get("redis_version"), 7, 2),
    replica: field.get("role") === "slave",
    refusal: refusalToRead(name, field, wanted) ?? refusalToWrite(field, wanted),
    refusalToRead: refusalToRead(name, field, wanted),
  };
}

function isRewriteDue(field: ReadonlyMap<string, string>): boolean {
  const never = field.get("aof_last_rewrite_time_sec") === "-1";
  const coming = field.get("aof_rewrite_in_progress") !== "0" || field.get("aof_rewrite_scheduled") !== "0";
  const hasData = [...field.keys()].some((name) => /^db\d+$/.test(name));
  return field.get("aof_enabled") === "1" && never && !coming && hasData;
}

/** For people, after the address of the store. */
export function describeServer(facts: ServerFacts): string {
  return `${facts.name}, ${facts.appendOnlyFile ? "append-only file" : "no append-only file: a crash of Redis loses what it has not saved; set appendonly yes"}`;
}

/** What CONFIG GET has to tell before an answer of the server means that the disk has it. */
export const FSYNC_SETTINGS = ["appendonly", "appendfsync", "no-appendfsync-on-rewrite"];

/** Why an answered write is not on the disk; undefined: it is. `told`: names and values in turn, as CONFIG GET gives them. */
export function refusalOfFsync(told: readonly string[]): string | undefined {
  const setting = (name: string): string => told.find((_, i) => i % 2 === 1 && told[i - 1] === name) ?? "unknown";
  if (setting("appendonly") !== "yes")
    return `Redis keeps no append-only file (appendonly ${setting("appendonly")}); set appendonly yes and appendfsync always`;
  if (setting("appendfsync") !== "always")
    return `Redis answers before its append-only file is on the disk (appendfsync ${setting("appendfsync")}); set appendfsync always`;
  if (setting("no-appendfsync-on-rewrite") !== "no")
    return "Redis does not sync while it rewrites its append-only file (no-appendfsync-on-rewrite yes); set no-appendfsync-on-rewrite no";
  return undefined;
}

function refusalToRead(name: string, field: ReadonlyMap<string, string>, wanted: "server" | "node"): string | undefined {
  const other = ["kvrocks", "garnet", "dragonfly"].find((server) => field.has(`${server}_version`));
  if (other !== undefined)
    return `the server is ${other}, whose scripts are not known to apply whole or not at all; use Redis 7.0 or later or Valkey 7.2 or later`;
  const valkey = field.get("valkey_version");
  const old = valkey === undefined ? isBefore(field.get("redis_version"), 7, 0) : isBefore(valkey, 7, 2);
  if (old) return `the server is ${name}; Millrace needs Redis 7.0 or later or Valkey 7.2 or later: upgrade the server`;
  const isNode = field.get("redis_mode") === "cluster" || field.get("cluster_enabled") === "1";
  if (isNode && wanted === "server")
    return "the server is a node of a Redis Cluster; name the cluster, as in new RedisStore({ cluster: [url, ...] }), or give a server that is none";
  if (!isNode && wanted === "node") return "the server is not a node of a Redis Cluster; give its URL alone, as in new RedisStore(url)";
  return undefined;
}

function refusalToWrite(field: ReadonlyMap<string, string>, wanted: "server" | "node"): string | undefined {
  // Of a cluster, a replica says itself where to go.
  if (wanted === "server" && field.get("role") === "slave")
    return "the server is a replica and takes no writes; give the address of its primary, or of the Sentinels that know it";
  const policy = field.get("maxmemory_policy");
  if (policy === undefined) return 'INFO does not tell maxmemory_policy, so Redis might drop data by itself; allow the user the command INFO ("+info")';
  if (policy !== "noeviction") {
    return `maxmemory-policy is ${policy}, so Redis would drop committed data when its memory is full; set it to noeviction (redis.conf: maxmemory-policy noeviction)`;
  }
  return undefined;
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of info.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

/** An unknown version is before any other. */
function isBefore(version: string | undefined, major: number, minor: number): boolean {
  const [, first = "0", second = "0"] = /^(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  return Number(first) < major || (Number(first) === major && Number(second) < minor);
}
