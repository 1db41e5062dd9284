/**
 * What an acknowledged commit promises on Redis: the option a user gives, what a server has to offer for it, and the
 * command that is waited for. Whoever sends it is `replica-barrier.ts`.
 */
import { ConfigError, StoreRefusedError } from "../../errors.ts";
import { show } from "../../options.ts";

/**
 * When a commit counts as done. What is waited for longer than the primary alone, a failover cannot take away:
 * no client is told of it, no source confirmed, no watermark raised before.
 *
 * - "primary": once the primary has applied it. A failover may lose the last commits; that is detected and told.
 * - "fsynced": once the primary's disk has it too.
 * - `{ replicas }`: once so many replicas have it; with `fsynced`, once their disks and the primary's have it.
 */
export type RedisDurability = "primary" | "fsynced" | ReplicatedDurability;

export interface ReplicatedDurability {
  /** Replicas that must have a commit, 1 to 10. All that may be promoted, for a failover to lose nothing. */
  readonly replicas: number;
  /** On their disks: needs Redis 7.2 or later, or Valkey. Default: false. */
  readonly fsynced?: boolean;
  /** How long one wait may keep the connection, ms, 10 to 2,000; what is not done then is waited for again. Default: 500. */
  readonly timeoutMs?: number;
}

/** What is waited for after a call that commits; undefined: nothing. */
export interface Wanted {
  readonly replicas: number;
  readonly fsynced: boolean;
  readonly timeoutMs: number;
}

const TIMEOUT = 500;

/** Throws `ConfigError`. `callMs`: how long any call may take. */
export function wantedOf(given: RedisDurability, callMs: number): Wanted | undefined {
  if (given === "primary") return undefined;
  if (given === "fsynced") return { replicas: 0, fsynced: true, timeoutMs: Math.min(TIMEOUT, callMs / 2) };
  if (typeof given !== "object" || given === null)
    throw new ConfigError(`RedisStore: durability is "primary", "fsynced" or { replicas: 1 }, but it is ${show(given)}`);
  const { replicas, fsynced = false, timeoutMs = Math.min(TIMEOUT, callMs / 2), ...rest } = given;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new ConfigError(`RedisStore: durability has no option ${unknown}; it has replicas, fsynced and timeoutMs`);
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= 10))
    throw new ConfigError(`RedisStore: durability.replicas is an integer from 1 to 10, but it is ${show(replicas)}`);
  if (typeof fsynced !== "boolean") throw new ConfigError(`RedisStore: durability.fsynced is true or false, but it is ${show(fsynced)}`);
  if (!(timeoutMs >= 10 && timeoutMs <= 2_000 && timeoutMs < callMs))
    throw new ConfigError(`RedisStore: durability.timeoutMs ${timeoutMs} is from 10 to 2000, and less than timeoutMs (${callMs})`);
  return { replicas, fsynced, timeoutMs };
}

/** What a server says of itself, as far as it matters here. */
interface Offered {
  readonly name: string;
  readonly appendOnlyFile: boolean;
  readonly waitsForFsync: boolean;
}

/** Throws `StoreRefusedError` where the server cannot promise it. */
export function checkOffered({ name, appendOnlyFile, waitsForFsync }: Offered, wanted: Wanted, address: string): void {
  if (!wanted.fsynced) return;
  if (!waitsForFsync) throw new StoreRefusedError(`${address}: durability "fsynced" needs Redis 7.2 or later (WAITAOF), and the server is ${name}: upgrade it`);
  if (!appendOnlyFile) throw new StoreRefusedError(`${address}: durability "fsynced" needs an append-only file; set appendonly yes`);
}

/** For people: "its primary's disk and 1 replica's". */
export function describeWanted({ replicas, fsynced }: Wanted): string {
  if (replicas === 0) return "the primary's disk";
  const many = replicas === 1 ? "1 replica" : `${replicas} replicas`;
  return fsynced ? `the primary's disk and the disks of ${many}` : many;
}
