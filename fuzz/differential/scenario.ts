/**
 * Draws the calls of a history, step by step, each from the step's seed and from what the model has by then: so that
 * owners are mostly the real ones, and sometimes former ones, or of another shard. Makes no call itself.
 */
import { shardRef, type ShardRef } from "../../src/key.ts";
import type { Commit } from "../../src/store/commit.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import type { Interval, Lease, Registration, WatermarkReport } from "../../src/store/store.ts";
import type { StoredGraph } from "../../src/store/stored-graph.ts";
import { call, type Call } from "./call.ts";
import { drawCommit, type CommitSource } from "./commits.ts";
import { ALL, Draw, FIELDS, KEYS, WORKERS } from "./draw.ts";
import { BEGINNING, graphOf, participant, shardsOf } from "./graphs.ts";
import type { Step } from "./history.ts";

/** What a step does: `calls` go out at once; then, if it `waits`, all that is open is answered before the next step. */
export interface Move {
  readonly calls: readonly Call[];
  readonly waits: boolean;
  /** Before the calls: the clock's new time; the stores are closed and opened again. */
  readonly clock?: number | undefined;
  readonly reopen?: boolean | undefined;
}

/** Where the clock begins: late enough that it can go back. */
const NOON = 1_000_000_000_000;
const LEASES = [0, 1, 1_000, 60_000];
const JUMPS = [1, 1, 500, 1_000, 60_000, 10_000_000, -1, -1_000, -10_000_000];
/** In this many, how often each kind of step is drawn. */
const KINDS = [
  ["commit", 34],
  ["acquire", 9],
  ["resend", 4],
  ["deliver", 9],
  ["report", 9],
  ["entries", 12],
  ["release", 2],
  ["renew", 3],
  ["register", 5],
  ["clock", 5],
  ["ends", 4],
  ["refused", 2],
  ["init", 2],
  ["compare", 1],
] as const;
type Kind = (typeof KINDS)[number][0];
const BAG: readonly Kind[] = KINDS.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));

export class Scenario {
  readonly #model: MemoryData;
  #graph: StoredGraph;
  #removed: readonly ShardRef[] = [];
  #now = NOON;
  #unique = 0;
  /** Sequencers that have been granted, and to whom; the last one may be the stored one. */
  readonly #granted: Lease[] = [];
  readonly #sent: Commit[] = [];
  readonly #generations = new Map<string, number>();

  /** @param version of the graph that is stored. */
  constructor(model: MemoryData, version: number) {
    this.#model = model;
    this.#graph = graphOf(version, BEGINNING);
  }

  /** Takes away what an earlier history left, and begins with a new graph. */
  begin(): Move[] {
    const stored = this.#model.readGraph()?.version;
    const empty = graphOf((stored ?? 0) + 1, []);
    this.#graph = graphOf(empty.version + 1, BEGINNING);
    return [
      { calls: [call("init", empty, stored)], waits: true, clock: NOON },
      { calls: [call("init", this.#graph, empty.version)], waits: true },
      { calls: [call("summarize", this.#shards), call("recover", this.#shards, { timers: ALL, holds: ALL })], waits: true },
    ];
  }

  move(step: Step): Move {
    const draw = new Draw(step.seed);
    const kind = draw.one(BAG);
    const waits = !draw.once(3);
    switch (kind) {
      case "commit":
        return { calls: [this.#commit(this.#source(draw, step))], waits };
      case "resend":
        return { calls: this.#sent.length === 0 ? [] : [call("commit", [draw.once(2) ? this.#sent.at(-1)! : draw.one(this.#sent)])], waits };
      case "acquire":
        return { calls: [this.#acquire(draw)], waits };
      case "renew":
        return { calls: [call("renew", ...this.#leases(draw), draw.one(LEASES))], waits };
      case "release":
        return { calls: [call("release", ...this.#leases(draw))], waits };
      case "deliver":
        return { calls: [this.#deliver(draw)], waits };
      case "report":
        return { calls: [this.#report(draw)], waits };
      case "entries":
        return { calls: [this.#readEntries(draw)], waits };
      case "register":
        return { calls: [this.#register(draw)], waits: true };
      case "ends":
        return { calls: [this.#readEnds(draw)], waits: true };
      case "refused":
        return { calls: [this.#refused(draw, step)], waits: true };
      case "init":
        return { calls: [this.#init(draw)], waits: true };
      case "compare":
        return { calls: this.everything(), waits: true, reopen: draw.once(4) };
      case "clock":
        this.#now = Math.max(1, this.#now + draw.one(JUMPS));
        return { calls: [], waits: true, clock: this.#now };
    }
  }

  /** Must these calls wait until all that is open is answered? They would depend on what of it has taken effect (S7). */
  static isAlone({ calls, clock, reopen }: Move): boolean {
    return clock !== undefined || reopen === true || calls.length !== 1 || calls.some(({ method }) => !TOGETHER.has(method));
  }

  /** Looks what has become of a call, once the model has carried it out. */
  made({ method, args }: Call): void {
    if (method !== "acquire") return;
    const { shards } = args[0] as { readonly shards: readonly ShardRef[] };
    for (const { shard, sequencer } of this.#model.summarize(shards.filter((each) => this.#shards.includes(each)))) {
      const known = this.#granted.some((lease) => lease.shard === shard && lease.sequencer === sequencer);
      if (sequencer !== undefined && !known) this.#granted.push({ shard, sequencer });
    }
  }

  /** Takes note of what the model has answered. */
  answered({ method, args }: Call, answer: unknown): void {
    if (method === "register" && Array.isArray(answer)) {
      for (const { participant: id, generation } of answer as Registration[]) this.#generations.set(`${String(args[0])}:${id}`, generation);
    }
    if (method !== "init" || answer !== "stored") return;
    const before = this.#shards;
    this.#graph = args[0] as StoredGraph;
    this.#removed = [...this.#removed, ...before].filter((shard) => !this.#shards.includes(shard));
  }

  /** Calls that read all there is. */
  everything(): Call[] {
    const shards = this.#shards;
    const each = shards.flatMap((shard) => [
      call("readState", shard, FIELDS),
      call("readInbox", shard, 0, ALL),
      call("readIds", shard, KEYS),
      call("readDeadLetters", shard, ALL),
    ]);
    // Deliveries that are never taken tell the last places taken.
    const marks = shards.flatMap((to) => shards.map((from) => ({ from, to, place: { monotonic: 0, n: 0 }, records: 0, bytes: new Uint8Array(24) })));
    return [
      call("readGraph"),
      call("recover", shards, { timers: ALL, holds: ALL }),
      call("summarize", shards),
      call("readTails", shards),
      ...this.#graph.participants.map(({ id, shards: of }) => call("countEntries", id, of)),
      ...each,
      call("deliver", marks),
      call("report", "nobody", []),
    ];
  }

  get #shards(): readonly ShardRef[] {
    return shardsOf(this.#graph);
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #source(draw: Draw, { without }: Step): CommitSource {
    return { draw, model: this.#model, graphVersion: this.#graph.version, shards: this.#shards, unique: () => ++this.#unique, without };
  }

  #commit(source: CommitSource): Call {
    const { draw } = source;
    const known = draw.once(30) ? this.#removed : this.#shards.filter((shard) => this.#granted.some((lease) => lease.shard === shard));
    const shards = known.length === 0 ? [] : draw.some(known, 3);
    const commits = shards.map((shard) => drawCommit(source, shard, this.#sequencer(draw, shard)));
    this.#sent.push(...commits);
    return call("commit", commits);
  }

  /** The stored one; one time in twelve a former owner's, or another shard's, or one that never was. */
  #sequencer(draw: Draw, shard: ShardRef): string {
    const own = this.#granted.filter((lease) => lease.shard === shard).map(({ sequencer }) => sequencer);
    const foreign = this.#granted.map(({ sequencer }) => sequencer);
    const [stored] = this.#shards.includes(shard) ? this.#model.summarize([shard]) : [];
    if (draw.once(12)) return draw.one([...own, ...foreign, "1.unknown"]);
    return stored?.sequencer ?? own.at(-1) ?? "1.unknown";
  }

  /** A worker, mostly one that has a shard, and leases, some of them its own. */
  #leases(draw: Draw): [string, Lease[]] {
    const owners = this.#model.summarize(this.#shards).flatMap(({ owner }) => owner ?? []);
    const shards = draw.some([...this.#shards, ...this.#removed], 4);
    return [draw.one(draw.once(4) ? WORKERS : [...owners, "w1"]), shards.map((shard) => ({ shard, sequencer: this.#sequencer(draw, shard) }))];
  }

  #acquire(draw: Draw): Call {
    const shards = draw.some(this.#shards, 3);
    return call("acquire", { worker: draw.one(WORKERS), shards, leaseMs: draw.one(LEASES), ...(draw.once(2) ? {} : { steal: !draw.once(4) }) });
  }

  #deliver(draw: Draw): Call {
    const shards = this.#shards;
    const [from, to] = [draw.shard(shards), draw.shard(shards)];
    const waiting = this.#model.recover([from], { timers: 0, holds: 0 })[0]!.outbox;
    if (waiting.length > 0 && draw.once(2)) {
      const entries = waiting.filter(({ target }) => shards.includes(target));
      return call(
        "deliver",
        entries.map(({ target, place, previous, records, bytes }) => ({
          from,
          to: target,
          place: { ...place, n: draw.once(2) ? 1 : place.n },
          previous,
          records,
          bytes,
        })),
      );
    }
    return call(
      "deliver",
      Array.from({ length: draw.below(4) }, () => ({
        from: draw.once(2) ? from : draw.shard(shards),
        to: draw.once(2) ? to : draw.shard(shards),
        place: draw.place(),
        previous: draw.previous(),
        records: 1 + draw.below(3),
        bytes: draw.parcel(`delivery ${++this.#unique}`),
      })),
    );
  }

  #register(draw: Draw): Call {
    const intervals: Interval[] = draw.some(this.#graph.participants, 2).map(({ id, shards }) => {
      const indexes = Array.from({ length: shards }, (_, index) => index).filter(() => draw.once(2));
      return { participant: id, shards: indexes, of: shards };
    });
    return call("register", draw.one(WORKERS), intervals);
  }

  #report(draw: Draw): Call {
    const worker = draw.one(WORKERS);
    const registered = [...this.#generations.keys()].filter((name) => name.startsWith(`${worker}:`)).map((name) => Number(name.slice(worker.length + 1)));
    const participants = draw.once(4) || registered.length === 0 ? [...this.#graph.participants.map(({ id }) => id), 99] : registered;
    const reports: WatermarkReport[] = draw.some(participants, 3).map((id) => {
      const generation = (this.#generations.get(`${worker}:${id}`) ?? 1) + draw.one([0, 0, 0, 0, 1, -1]);
      const number = Math.max(0, ++this.#unique + draw.one([0, 0, 0, -5, 3]));
      return { participant: id, generation, number, output: draw.time(), status: draw.status(), last: draw.time() };
    });
    return call("report", worker, reports);
  }

  #readEntries(draw: Draw): Call {
    const shard = draw.shard(this.#shards);
    switch (draw.below(4)) {
      case 0:
        return call("readState", shard, draw.some(FIELDS, 6));
      case 1:
        return call("readTimers", shard, draw.one(["watermark", "wall"]), draw.limit());
      case 2:
        return call("readHolds", shard, draw.limit());
      default:
        return call("readIds", shard, draw.some(KEYS, 6));
    }
  }

  /**
   * Reads that have to stand alone: of what others' commits change too; and of dead letters, which Redis is asked for in
   * two steps, for people only.
   */
  #readEnds(draw: Draw): Call {
    const shards = draw.some(this.#shards, 4);
    const one = draw.one(this.#graph.participants);
    switch (draw.below(6)) {
      case 0:
        return call("readInbox", draw.shard(this.#shards), draw.below(30) - 1, draw.limit());
      case 1:
        return call("recover", shards, { timers: draw.limit(), holds: draw.limit() });
      case 2:
        return call("summarize", shards);
      case 3:
        return call("readTails", shards);
      case 4:
        return call("readDeadLetters", draw.shard(this.#shards), draw.limit());
      default:
        return call("countEntries", draw.once(3) ? 99 : one.id, one.shards + draw.below(2));
    }
  }

  /** Calls that are a bug of whoever makes them, and must change nothing. */
  #refused(draw: Draw, step: Step): Call {
    const none = draw.one([shardRef(99, 0), shardRef(2, 7), ...this.#removed]);
    const delivery = { from: none, place: { monotonic: 1, n: 1 }, records: 1, bytes: draw.parcel("to nowhere") };
    const source = this.#source(draw, step);
    const shard = draw.shard(this.#shards);
    const sequencer = this.#model.summarize([shard])[0]!.sequencer;
    const right = { ...drawCommit(source, shard, sequencer ?? ""), graphVersion: this.#graph.version, consumed: undefined };
    const [stored] = this.#model.recover([shard], { timers: 0, holds: 0 });
    const one = draw.one(this.#graph.participants);
    switch (draw.below(8)) {
      case 0:
        return call("acquire", { worker: "w1", shards: [...draw.some(this.#shards, 2), none], leaseMs: 1_000, steal: true });
      case 1:
        return draw.once(2) ? call("readState", none, FIELDS) : call("readInbox", none, 0, 1);
      case 2:
        return call("readTimers", none, "wall", 5);
      case 3:
        return draw.once(2) ? call("readIds", none, KEYS) : call("readHolds", none, 5);
      case 4:
        return draw.once(2) ? call("recover", [none], { timers: 1, holds: 1 }) : call("readTails", [none]);
      case 5:
        return call("deliver", [
          { ...delivery, to: shard },
          { ...delivery, to: none },
        ]);
      case 6:
        return call("register", "w1", [draw.once(2) ? { participant: 99, shards: [0], of: 1 } : { participant: one.id, shards: [0], of: one.shards + 1 }]);
      default:
        if (sequencer === undefined) return call("commit", [right, right]);
        return call("commit", [{ ...right, number: stored!.number + 1, parcels: [{ target: none, records: 1, bytes: draw.parcel("to nowhere") }] }]);
    }
  }

  #init(draw: Draw): Call {
    const { version, participants } = this.#graph;
    const next = version + 1 + draw.below(2);
    switch (draw.below(5)) {
      case 0:
        return call("init", graphOf(next, participants), draw.one([undefined, version - 1, version + 1]));
      case 1:
        return call(
          "init",
          graphOf(
            next,
            participants.map((each, i) => (i === 0 ? { ...each, shards: each.shards + 1 } : each)),
          ),
          version,
        );
      case 2: {
        const gone = participants.length < 3 ? -1 : draw.below(participants.length);
        return call("init", graphOf(next, participants.toSpliced(gone, gone < 0 ? 0 : 1)), version);
      }
      default: {
        const id = 5 + ++this.#unique;
        const late = participants.length > 6 ? [] : [participant(id, `late ${id}`, "computation", 1 + draw.below(2))];
        return call("init", graphOf(next, [...participants, ...late]), version);
      }
    }
  }
}

/** What may be called while other calls are open: writes, and reads of entries that only the shard's own commits change. */
const TOGETHER: ReadonlySet<string> = new Set([
  "commit",
  "acquire",
  "renew",
  "release",
  "deliver",
  "report",
  "readState",
  "readTimers",
  "readHolds",
  "readIds",
]);
