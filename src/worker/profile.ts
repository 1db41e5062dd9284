/**
 * What a worker says of itself with each announcement, for whoever asks about it: where it runs, how it is reached, what
 * it has done and what it waits for. Plain data as JSON; the store keeps it and does not look into it.
 *
 * P1  Nothing is decided by it but where a request is forwarded to, and that is checked there (`http/peers.ts`).
 * P2  It is bounded: of the inboxes that a participant waits for, the first few are named.
 */
import { indexOf, participantOf } from "../key.ts";
import type { Engine } from "./engine.ts";

/** Full inboxes that are named for each participant that waits. */
const NAMED = 8;

/** How other workers reach it: their requests prove by the secret that they have read the store. */
export interface Reach {
  /** "http://127.0.0.1:7077". */
  readonly address: string;
  readonly secret: string;
}

export interface WorkCounts {
  readonly commits: number;
  readonly resends: number;
  readonly fenced: number;
  readonly gaps: number;
  /** Shards that it came to own, that it handed over, and that it lost without doing so. */
  readonly taken: number;
  readonly given: number;
  readonly lost: number;
}

/** A participant that starts nothing new, and the full inboxes that it feeds. */
export interface Blocked {
  readonly participant: number;
  readonly by: readonly { readonly participant: number; readonly shard: number; readonly queued: number }[];
}

export interface About {
  /** Machine and process. */
  readonly host: string;
  readonly pid: number;
  /** When it started, ms by its own clock. */
  readonly since: number;
  readonly leaseMs: number;
  /** Version of the graph that it runs; undefined: a worker of an older Millrace does not say. */
  readonly graph?: number | undefined;
  readonly reach: Reach | null;
  readonly counts: WorkCounts;
  readonly blocked: readonly Blocked[];
}

export class Profile {
  readonly #engine: Engine;
  readonly #since: number;
  /** Set before the worker starts, by who knows. */
  host = "";
  pid = 0;
  reach: Reach | null = null;

  constructor(engine: Engine, since: number) {
    this.#engine = engine;
    this.#since = since;
  }

  about(): About {
    const { counted, ownership, options } = this.#engine;
    const { commits, resends, fenced, gaps } = counted;
    const { host, pid, reach } = this;
    return {
      host,
      pid,
      since: this.#since,
      leaseMs: options.leaseMs,
      graph: options.plan.version,
      reach,
      counts: { commits, resends, fenced, gaps, ...ownership.moved },
      blocked: blockedOf(this.#engine),
    };
  }

  text(): string {
    return JSON.stringify(this.about());
  }
}

function blockedOf(engine: Engine): Blocked[] {
  const found: Blocked[] = [];
  for (const participant of engine.options.plan.participants) {
    if (!engine.blocked(participant.id) || engine.shardsOf(participant).length === 0) continue;
    const by = engine.blockers(participant.id).slice(0, NAMED);
    found.push({
      participant: participant.id,
      by: by.map((ref) => ({ participant: participantOf(ref), shard: indexOf(ref), queued: engine.queuedOf(ref) })),
    });
  }
  return found;
}

/** What another worker has said; undefined: nothing that this version understands. */
export function parseAbout(text: string | undefined): About | undefined {
  let about: Partial<About> | null;
  try {
    about = text === undefined ? null : (JSON.parse(text) as Partial<About> | null);
  } catch {
    return undefined;
  }
  if (typeof about !== "object" || about === null) return undefined;
  const { host, pid, since, leaseMs, graph, reach, counts, blocked } = about;
  if (typeof host !== "string" || typeof pid !== "number" || typeof since !== "number" || typeof leaseMs !== "number") return undefined;
  if (typeof counts !== "object" || counts === null || !Array.isArray(blocked)) return undefined;
  const isReach = typeof reach?.address === "string" && URL.canParse(reach.address) && typeof reach.secret === "string" && reach.secret.length > 0;
  return { host, pid, since, leaseMs, graph: typeof graph === "number" ? graph : undefined, reach: isReach ? reach : null, counts, blocked };
}
