/**
 * Changing the graph of a pipeline whose shards are in several atomic domains, each with a version of its own that its
 * commits are compared with.
 *
 * Several scripts in several slots cannot be one step. The change is decided in one: `next` is put beside the graph, if the
 * version is the expected one. From then on it is only carried forward, by whoever comes: each domain is brought to the new
 * version, with the structures of its shards, and last of all the graph itself, with the authority.
 *
 * G1  Whoever reads a graph reads it after every domain has its version: no worker that begins with it is told that it is
 *     stale. Until then it reads the one before, whose workers are refused domain by domain, as each is raised (R16):
 *     as anywhere, a worker of an older graph stops when it is told.
 * G2  A domain's script does all for it at once, so its commits are of the old graph before it and refused after it. What
 *     is removed was in reach of commits of the old graph alone; deliveries to it are answered `gone`.
 * G3  Each step may be done again: by one who goes on where another was killed, or in a domain that has lost its tail,
 *     which is found when the graph is read. Structures are only created where there are none, and each has its sentinel,
 *     so a slot that is moving meanwhile has them all or answers TRYAGAIN as a whole (R27).
 */
import { StoreRefusedError } from "../../errors.ts";
import { shardRef, type ShardRef } from "../../key.ts";
import { newAuthority } from "../../watermark/authority.ts";
import type { Calls } from "./calls.ts";
import { storedAuthority } from "./authority-bytes.ts";
import { parseStoredGraph, type StoredGraph } from "../stored-graph.ts";
import { type Keys, STRUCTURES } from "./keys.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";
import { BEGIN_CHANGE, INIT, INIT_DOMAIN } from "./scripts.ts";

interface Shards {
  readonly id: number;
  readonly shards: number;
}
/** A graph that is to be. */
interface Change {
  readonly expected: number | undefined;
  readonly graph: StoredGraph;
  readonly added: readonly Shards[];
  readonly removed: readonly Shards[];
}

export class ClusterGraph {
  readonly #keys: Keys;
  /** On the pipeline's own keys, and on those of a domain. */
  readonly #own: Calls;
  readonly #of: (domain: number) => Calls;

  constructor(keys: Keys, own: Calls, of: (domain: number) => Calls) {
    this.#keys = keys;
    this.#own = own;
    this.#of = of;
  }

  async read(): Promise<StoredGraph | undefined> {
    for (;;) {
      const [json, next, domains] = asList(await this.#own.command("HMGET", this.#own.begin(this.#keys.graph).text("graph").text("next").text("domains")));
      this.#check(domains);
      if (next !== null) {
        await this.#carryOn(JSON.parse(asText(next)) as Change);
        continue;
      }
      const graph = json === null ? undefined : parseStoredGraph(asText(asBytes(json)));
      if (graph !== undefined) await this.#raise(graph, []);
      return graph;
    }
  }

  /** Whoever has opened the data with another number of domains would look for shards where they are not. */
  #check(stored: unknown): void {
    const domains = stored === null ? undefined : asNumber(stored);
    if (domains === undefined || domains === this.#keys.domains) return;
    throw new StoreRefusedError(
      `the data is in ${domains} atomic domains and was opened with ${this.#keys.domains}: open it again, with the same or no \`domains\``,
    );
  }

  async change(
    graph: StoredGraph,
    expected: number | undefined,
    added: readonly Shards[],
    removed: readonly Shards[],
  ): Promise<"stored" | "changed-meanwhile"> {
    const change: Change = { expected, graph, added: added.map(of), removed: removed.map(of) };
    const request = this.#own.begin(this.#keys.graph);
    request.args.optional(expected);
    request.text(JSON.stringify(change)).integer(this.#keys.domains);
    const outcome = BEGIN_CHANGE.outcomes[asText(await this.#own.run(BEGIN_CHANGE, request))]!;
    if (outcome === "stored") await this.#carryOn(change);
    return outcome;
  }

  /** It is decided: whether this one or another brings it to its end is all the same. */
  async #carryOn({ expected, graph, added, removed }: Change): Promise<void> {
    await this.#raise(graph, removed);
    const { graph: key, appends, authority, workers, leases } = this.#keys;
    const request = this.#own.begin(key, appends, authority, workers, leases);
    request.args.optional(expected);
    request.integer(graph.version).text(JSON.stringify(graph)).integer(0).integer(added.length);
    for (const { id, shards } of added) {
      const { owners, cells, published } = storedAuthority(id, newAuthority(shards));
      request.integer(id).bytes(cells).text(owners).bytes(published);
    }
    for (const { id } of removed) request.integer(id);
    await this.#own.run(INIT, request);
  }

  /** Every domain that is not there yet gets the graph's version. */
  async #raise(graph: StoredGraph, removed: readonly Shards[]): Promise<void> {
    const versions = await Promise.all(
      Array.from({ length: this.#keys.domains }, async (_, domain) => {
        const calls = this.#of(domain);
        const version = await calls.command("HGET", calls.begin(this.#keys.domain(domain).graph).text("version"));
        return version === null ? 0 : asNumber(version);
      }),
    );
    const behind = [...versions.keys()].filter((domain) => versions[domain]! < graph.version);
    await Promise.all(behind.map((domain) => this.#initDomain(domain, graph, removed)));
  }

  async #initDomain(domain: number, graph: StoredGraph, removed: readonly Shards[]): Promise<void> {
    const { graph: key, appends, leases } = this.#keys.domain(domain);
    const calls = this.#of(domain);
    const wanted = this.#shardsIn(domain, graph.participants);
    const request = calls.begin(key, appends, leases);
    for (const shard of [...wanted, ...this.#shardsIn(domain, removed)]) for (const structure of STRUCTURES) request.key(this.#keys.of(shard)[structure]);
    request.integer(graph.version).integer(wanted.length);
    await calls.run(INIT_DOMAIN, request);
  }

  #shardsIn(domain: number, participants: readonly Shards[]): ShardRef[] {
    const all = participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));
    return all.filter((shard) => this.#keys.domainOf(shard) === domain);
  }
}

const of = ({ id, shards }: Shards): Shards => ({ id, shards });
