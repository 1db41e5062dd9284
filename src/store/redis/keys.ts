/**
 * Every key that Millrace has in Redis: its name, its type, who writes it and how long it lives. Nothing else in the
 * project makes a key.
 *
 * Of a pipeline, under the tag {<prefix>:<pipeline>}; made by the first `init`, never removed:
 *
 *   g   hash     graph: `version`, `graph` (JSON)                                             init
 *   n   string   append counter: calls that appended to any inbox                             commit, deliver
 *   r   hash     watermark authority: `published`, `cells:<track>`, `owners:<track>` (`authority-bytes.ts`)
 *                     and `about:<worker>`, what a worker that is alive says of itself      init, register, report, announce, depart
 *   w   zset     workers by the end of their announcements (ms, server clock)                 init, announce, depart
 *   l   zset     leases: "<id> <worker>" by the end of each (likewise)                        init, acquire, renew
 *
 * Of a shard of a participant, under the tag {<prefix>:<pipeline>:<index>}, as in {millrace:zeitgeist:12}:3:m; made by
 * the `init` that adds the participant, removed by the `init` that drops it:
 *
 *   m   hash     meta; see below                                                              acquire, renew, release, commit, deliver
 *   s   hash     state: field (`address.ts`) -> bytes                                         commit
 *   i   list     inbox: the parcel consumed last ("_" at first), then those to come           commit, deliver
 *   t   zset     watermark timers: member (`address.ts`) by time                              commit
 *   w   zset     wall timers: likewise                                                        commit
 *   h   zset     holds: member by time                                                        commit
 *   a   hash     held records (set aside): id -> bytes                                        commit
 *   d   hash     dead letters: id -> bytes                                                    commit
 *   x   zset     client ids by their records' timestamps                                      commit
 *   o   hash     outbox: <target>:<monotonic>.<n> -> entry (`outbox-text.ts`)                 commit
 *   c   hash     channel marks: sender -> <monotonic>.<n>                                     deliver
 *
 *   Fields of meta: `seq` the sequencer (absent: no one may commit), `mono` its monotonic part (outlives a release),
 *   `own` the worker, `until` until when it was granted (ms, server clock), `lease` the id of the lease of the worker's that it
 *   is in, whose end is then what counts; `num` and `cid` number and id of the last commit, `img` its image; `pos` and `off` where the inbox is consumed to, `tail` parcels ever appended, `queued`
 *   records waiting.
 *
 * In a cluster, where the shards are in several domains, those of a domain are under one tag, which has the domain's slot:
 * {<prefix>:<pipeline>/<number>}, as in {millrace:zeitgeist/6ck}:12:3:m. Each domain has, under its tag, what commits to it
 * look at:
 *
 *   g   hash     `version`: of the graph that the domain's commits must carry                 init
 *   n   string   append counter of the domain                                                 commit, deliver
 *   l   zset     leases of the domain's shards                                                init, acquire, renew
 *
 * and the graph's own hash, beside the graph, `domains`, and while the graph is being changed `next`: what it is to be.
 *
 * K1  Tags are made here and nowhere else. Shard i of every participant has one tag, so an edge that keeps the shard
 *     stays in one slot of a cluster.
 * K2  No structure is ever empty, so none vanishes: hashes have the field "", sorted sets the member "" at +inf, an
 *     inbox its head. No address and no id is empty.
 * K3  No key expires: what Redis may drop by itself cannot be committed to.
 */
import { domainTags, slotOfDomain, slotOfTag } from "./slots.ts";
import { NAME_PATTERN } from "../../limits.ts";
import { ConfigError } from "../../errors.ts";
import { domainOf, indexOf, participantOf, type ShardRef } from "../../key.ts";
import { encode, type Encoded } from "./request.ts";

/** Letters of a prefix: no braces (they would end the tag), no spaces. */
const PREFIX_PATTERN = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The structures of a shard, in the order in which scripts that take all of them take them. */
export const STRUCTURES = ["meta", "state", "inbox", "timers", "wall", "holds", "held", "dead", "ids", "outbox", "marks"] as const;
export type Structure = (typeof STRUCTURES)[number];
export type ShardKeys = Readonly<Record<Structure, Encoded>>;

const LETTERS: Readonly<Record<Structure, string>> = {
  meta: "m",
  state: "s",
  inbox: "i",
  timers: "t",
  wall: "w",
  holds: "h",
  held: "a",
  dead: "d",
  ids: "x",
  outbox: "o",
  marks: "c",
};

/** Of those that are no hashes. */
const TYPES: Readonly<Partial<Record<Structure, string>>> = { inbox: "list", timers: "zset", wall: "zset", holds: "zset", ids: "zset" };

/** What calls to an atomic domain look at besides their shards. */
export interface DomainKeys {
  readonly graph: Encoded;
  readonly appends: Encoded;
  readonly leases: Encoded;
}

export class Keys {
  readonly domains: number;
  /** By domain. Of one domain alone they are the pipeline's own. */
  readonly #domainKeys: readonly DomainKeys[];
  readonly graph: Encoded;
  readonly appends: Encoded;
  readonly authority: Encoded;
  readonly workers: Encoded;
  readonly leases: Encoded;
  /** Written and removed by the script that looks whether scripts work here. */
  readonly probe: Encoded;
  /** For ACL SETUSER: what a user must be allowed to keep pipelines here. */
  readonly permissions: string;
  /** The same for a user who only looks. */
  readonly readingPermissions: string;
  readonly #pipelineTag: string;
  /** By domain, where there are several. */
  readonly #tags: readonly string[];
  readonly #prefix: string;
  readonly #shards = new Map<ShardRef, ShardKeys>();

  constructor(prefix: string, pipeline: string, domains = 1) {
    if (!PREFIX_PATTERN.test(prefix))
      throw new ConfigError(`RedisStore: prefix ${JSON.stringify(prefix)} must be 1 to 64 letters, digits, "_", ".", ":" or "-"`);
    if (!NAME_PATTERN.test(pipeline)) throw new ConfigError(`pipeline name ${JSON.stringify(pipeline)} must be 1 to 64 letters, digits, "_", "." or "-"`);
    this.#prefix = prefix;
    this.#pipelineTag = `${prefix}:${pipeline}`;
    this.graph = encode(`{${this.#pipelineTag}}:g`);
    this.appends = encode(`{${this.#pipelineTag}}:n`);
    this.authority = encode(`{${this.#pipelineTag}}:r`);
    this.workers = encode(`{${this.#pipelineTag}}:w`);
    this.leases = encode(`{${this.#pipelineTag}}:l`);
    this.domains = domains;
    this.#tags = domains === 1 ? [] : domainTags(`${this.#pipelineTag}/`, domains);
    this.#domainKeys = domains === 1 ? [this] : this.#tags.map(domainKeys);
    this.probe = encode(`{${this.#pipelineTag}}:probe`);
    this.permissions = `~{${prefix}:* +@read +@write -@dangerous +info +time +select +evalsha +script|load +wait +bgrewriteaof`;
    this.readingPermissions = `~{${prefix}:* +@read +info +select +evalsha +script|load`;
  }

  /** The slot of the pipeline's own keys in a cluster. */
  get slot(): number {
    return slotOfTag(this.#pipelineTag);
  }
  slotOf(domain: number): number {
    return slotOfDomain(domain, this.domains);
  }
  domain(domain: number): DomainKeys {
    return this.#domainKeys[domain] as DomainKeys;
  }
  domainOf(shard: ShardRef): number {
    return domainOf(shard, this.domains);
  }

  of(shard: ShardRef): ShardKeys {
    let keys = this.#shards.get(shard);
    if (keys === undefined) this.#shards.set(shard, (keys = this.#make(shard)));
    return keys;
  }

  /** For SCAN: all keys of the pipeline, and some of pipelines whose prefix goes on where this one's name ends. */
  get pattern(): string {
    return `{${this.#pipelineTag}[}:/]*`;
  }
  /** For SCAN: the keys that hold the graphs of all pipelines of this prefix. */
  get graphsPattern(): string {
    return `{${this.#prefix}:*}:g`;
  }

  /** The pipeline whose graph is in this key; undefined: it is none of this prefix. */
  pipelineOf(graphKey: string): string | undefined {
    const name = graphKey.slice(`{${this.#prefix}:`.length, -"}:g".length);
    return NAME_PATTERN.test(name) && graphKey === `{${this.#prefix}:${name}}:g` ? name : undefined;
  }

  /** Is it a key of this pipeline, judged by its tag? Another prefix may continue where the name of this pipeline ends. */
  owns(key: string): boolean {
    if (key.startsWith(`{${this.#pipelineTag}}:`)) return true;
    if (key.startsWith(`{${this.#pipelineTag}/`)) return true;
    const rest = key.startsWith(`{${this.#pipelineTag}:`) ? key.slice(this.#pipelineTag.length + 2) : "";
    const [, suffix] = /^\d+\}:(.*)$/s.exec(rest) ?? [];
    return suffix !== undefined && !/^([gnrwl]|probe)$/.test(suffix);
  }

  /** Names and types of the keys that the pipeline has one of. */
  pipelineTypes(): readonly (readonly [name: string, type: string])[] {
    return [
      [`{${this.#pipelineTag}}:g`, "hash"],
      [`{${this.#pipelineTag}}:n`, "string"],
      [`{${this.#pipelineTag}}:r`, "hash"],
      [`{${this.#pipelineTag}}:w`, "zset"],
      [`{${this.#pipelineTag}}:l`, "zset"],
      ...this.#tags.flatMap((tag) => [[`{${tag}}:g`, "hash"] as const, [`{${tag}}:n`, "string"] as const, [`{${tag}}:l`, "zset"] as const]),
    ];
  }
  /** Names and types of a shard's keys. */
  shardTypes(shard: ShardRef): readonly (readonly [name: string, type: string])[] {
    return STRUCTURES.map((structure) => [this.#name(shard, structure), TYPES[structure] ?? "hash"]);
  }

  #make(shard: ShardRef): ShardKeys {
    return Object.fromEntries(STRUCTURES.map((structure) => [structure, encode(this.#name(shard, structure))])) as Record<Structure, Encoded>;
  }

  #name(shard: ShardRef, structure: Structure): string {
    const own = `${participantOf(shard)}:${LETTERS[structure]}`;
    const tag = this.#tags[this.domainOf(shard)];
    return tag === undefined ? `{${this.#pipelineTag}:${indexOf(shard)}}:${own}` : `{${tag}}:${indexOf(shard)}:${own}`;
  }
}

const domainKeys = (tag: string): DomainKeys => ({ graph: encode(`{${tag}}:g`), appends: encode(`{${tag}}:n`), leases: encode(`{${tag}}:l`) });
