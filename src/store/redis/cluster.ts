/**
 * The nodes of a Redis Cluster: which primary has which slot, a connection to each, and how often the data may have gone
 * back. What becomes of calls while a slot moves is `slot-line.ts`.
 *
 * U1  `generation` has risen before the first call that reaches a server which may lack what another has answered for:
 *     a primary that was restarted, and a replica that was promoted. A slot that moved between two primaries lacks nothing.
 * U2  A call goes to the node that is known to have its slot; a node that does not have it carries nothing out and says so.
 *     Whatever else comes of a call, it is sent again by its caller alone, who has the same bytes (commits, deliveries).
 */
import type { Clock } from "../../clock.ts";
import { MillraceError, messageOf, StoreUnavailableError } from "../../errors.ts";
import type { ClientOptions } from "./client-options.ts";
import { connect, type Connection, type ConnectionOptions } from "./connection.ts";
import type { Covers, Line, Servers } from "./line.ts";
import { asList, asNumber, asText } from "./reply.ts";
import { Request } from "./request.ts";
import { SlotLine } from "./slot-line.ts";
import { SLOTS } from "./slots.ts";

/** ms between two looks at the slots for calls that were not answered. */
const LOOK_AGAIN_MS = 100;

export interface ClusterOptions extends Omit<ConnectionOptions, "client" | "node"> {
  /** Some of the nodes: the others are found by them. */
  readonly seeds: readonly ClientOptions[];
}

/** Where slots are, as one node says it. */
interface SlotMap {
  /** By slot: "host:port" of its primary. */
  readonly primaryOf: readonly (string | undefined)[];
  readonly primaries: ReadonlySet<string>;
}

/** Connects to all primaries. Rejects where the cluster cannot be reached or used. */
export async function connectCluster(options: ClusterOptions): Promise<Cluster> {
  const cluster = new Cluster(options);
  try {
    await cluster.open();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

export class Cluster implements Servers {
  readonly #options: ClusterOptions;
  readonly #clock: Clock;
  readonly #request = new Request();
  readonly #connections = new Map<string, Connection>();
  readonly #connecting = new Map<string, Promise<void>>();
  readonly #lines = new Map<number, SlotLine>();
  #map: SlotMap = { primaryOf: [], primaries: new Set() };
  /** Of nodes that are none any more, and of promotions. */
  #generation = 0;
  #looking: Promise<void> | undefined = undefined;
  #stopLooking: (() => void) | undefined = undefined;
  #closed = false;
  #reason = "not connected yet";

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  get description(): string {
    const nodes = [...this.#map.primaries].sort();
    const [first] = this.#connections.values();
    return `redis-cluster://${nodes.join(",")}${first === undefined ? "" : ` ${/\(.*\)$/.exec(first.description)?.[0] ?? ""}`}`;
  }

  get generation(): number {
    let generation = this.#generation;
    for (const connection of this.#connections.values()) generation += connection.generation;
    return generation;
  }

  async open(): Promise<void> {
    await this.look();
    const missing = this.#map.primaryOf.length < SLOTS || this.#map.primaryOf.includes(undefined);
    if (missing) throw new StoreUnavailableError(`the Redis Cluster of ${this.#seeds} has slots that no node serves (${this.#reason})`);
    for (const address of this.#map.primaries)
      if (this.#connections.get(address) === undefined) throw new StoreUnavailableError(`${address}: not reached (${this.#reason})`);
  }

  line(slot: number): SlotLine {
    let line = this.#lines.get(slot);
    if (line === undefined) this.#lines.set(slot, (line = new SlotLine(slot, this)));
    return line;
  }
  coveredLine(slot: number, covers: Covers): Line {
    return this.line(slot).covered(covers);
  }

  lines(): readonly Line[] {
    return [...this.#map.primaries].flatMap((address) => this.#connections.get(address) ?? []);
  }

  sent(): Promise<void> | undefined {
    const waiting = [...this.#connections.values()].flatMap((connection) => connection.sent() ?? []);
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => {});
  }

  /** The connection to the primary of a slot; undefined: there is none now. */
  primaryOf(slot: number): Connection | undefined {
    return this.#connections.get(this.#map.primaryOf[slot] ?? "");
  }

  /** The connection to a node that was named, made if there is none. */
  async node(address: string): Promise<Connection | undefined> {
    await this.#reach(address);
    return this.#connections.get(address);
  }

  unavailable(slot: number): StoreUnavailableError {
    return new StoreUnavailableError(`the Redis Cluster of ${this.#seeds} has no primary for slot ${slot} that can be reached now (${this.#reason})`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopLooking?.();
    await Promise.allSettled(this.#connecting.values());
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
  }

  // ── slots ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Learns where the slots are now, of a node that was named or of any that answers. */
  look(of?: string): Promise<void> {
    this.#looking ??= this.#look(of).finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** Soon, for a call was not answered: a replica may have been promoted. */
  lookSoon(): void {
    if (this.#closed || this.#stopLooking !== undefined) return;
    this.#stopLooking = this.#clock.after(LOOK_AGAIN_MS, () => {
      this.#stopLooking = undefined;
      this.look().catch(() => {});
    });
  }

  async #look(of: string | undefined): Promise<void> {
    const known = [...this.#connections].filter(([, { isOpen }]) => isOpen).map(([address]) => address);
    const addresses = [...new Set([...(of === undefined ? [] : [of]), ...known, ...this.#options.seeds.map(addressOf)])];
    for (const address of addresses) {
      if (this.#closed) return;
      try {
        const connection = await this.node(address);
        if (connection === undefined) continue;
        const reply = await connection.command("CLUSTER", this.#request.begin().text("SLOTS").finishCommand("CLUSTER"));
        await this.#learn(parseSlots(reply, address));
        return;
      } catch (error) {
        this.#note(error);
      }
    }
  }

  /** Connections to the primaries are there before calls are sent to them. */
  async #learn(map: SlotMap): Promise<void> {
    await Promise.all([...map.primaries].map((address) => this.#reach(address)));
    const before = this.#map;
    const moved = [...this.#lines.keys()].filter((slot) => before.primaryOf[slot] !== undefined && before.primaryOf[slot] !== map.primaryOf[slot]);
    const isMigration = (slot: number): boolean => map.primaries.has(before.primaryOf[slot] as string) && before.primaries.has(map.primaryOf[slot] ?? "");
    // Where a slot is nowhere for a while, whoever has it afterwards may be a replica of the one before.
    const kept = [...map.primaryOf.keys()].map((slot) => map.primaryOf[slot] ?? before.primaryOf[slot]);
    if (moved.some((slot) => map.primaryOf[slot] !== undefined && !isMigration(slot))) this.#generation++;
    this.#map = { primaryOf: kept, primaries: map.primaries };
    for (const [address, connection] of this.#connections) if (!kept.includes(address)) this.#drop(address, connection);
  }

  #drop(address: string, connection: Connection): void {
    this.#connections.delete(address);
    this.#generation += connection.generation;
    void connection.close();
  }

  #reach(address: string): Promise<void> {
    if (this.#connections.has(address)) return Promise.resolve();
    let connecting = this.#connecting.get(address);
    if (connecting === undefined) {
      connecting = this.#connect(address).finally(() => this.#connecting.delete(address));
      this.#connecting.set(address, connecting);
    }
    return connecting;
  }

  async #connect(address: string): Promise<void> {
    const { seeds, ...options } = this.#options;
    const colon = address.lastIndexOf(":");
    const client = { ...(seeds[0] as ClientOptions), host: address.slice(0, colon), port: Number(address.slice(colon + 1)), db: 0 };
    try {
      const connection = await connect({ ...options, client, node: true });
      if (this.#closed) await connection.close();
      else this.#connections.set(address, connection);
    } catch (error) {
      this.#note(error);
    }
  }

  /** A node that can never be used is no node that is away. */
  #note(error: unknown): void {
    if (error instanceof MillraceError && !(error instanceof StoreUnavailableError)) throw error;
    this.#reason = messageOf(error);
  }

  get #seeds(): string {
    return this.#options.seeds.map(addressOf).join(", ");
  }
}

const addressOf = ({ host = "127.0.0.1", port = 6379 }: ClientOptions): string => `${host}:${port}`;

/** Of CLUSTER SLOTS: (first last (host port ...) replica*)*. A node that does not know its own name leaves it out. */
function parseSlots(reply: unknown, from: string): SlotMap {
  const primaryOf = new Array<string | undefined>(SLOTS).fill(undefined);
  const primaries = new Set<string>();
  const own = from.slice(0, from.lastIndexOf(":"));
  for (const range of asList(reply)) {
    const [first, last, primary] = asList(range);
    const [host, port] = asList(primary);
    const name = host === null ? "" : asText(host);
    const address = `${name === "" || name === "?" ? own : name}:${asNumber(port)}`;
    primaries.add(address);
    primaryOf.fill(address, asNumber(first), asNumber(last) + 1);
  }
  return { primaryOf, primaries };
}
